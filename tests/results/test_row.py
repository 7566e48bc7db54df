"""A row says what the record, the catalog and the file of weights say."""

from __future__ import annotations

import pytest

from recurzoo.checkpoints.record import Record
from recurzoo.checkpoints.scores import Headline, headline
from recurzoo.results.row import Measured, row_of
from recurzoo.results.table_file import COLUMNS, format_csv, read_csv

WEIGHTS = {"sha256": "ab" * 32, "bytes": 1234}


def record(**fields):
    files = {"config.json": {"sha256": "cd" * 32, "bytes": 5}, "model.safetensors": WEIGHTS}
    return Record.from_dict({"name": "wrn-28-10.cifar10", "architecture": "wrn-28-10", "files": files} | fields)


def test_a_row():
    row = row_of(
        record(
            parameters=36479194,
            dataset={"name": "cifar10", "note": 'a "lossy" copy, of JPEG'},
            recipe_name="wrn-28-10.cifar10.paper",
            seed=0,
            epochs=200,
            training_seconds=12.5,
            hardware="8 x H100, borrowed",
            metrics={"test_accuracy": 0.9587, "test_images": 10000, "test_loss": 0.2},
        )
    )
    assert row.to_dict() == {
        "checkpoint": "wrn-28-10.cifar10",
        "architecture": "wrn-28-10",
        "parameters": 36479194,
        "bytes": 1234,
        "macs": None,
        "folded_onnx_bytes": None,
        "metric": "test accuracy",
        "value": 0.9587,
        "test_examples": 10000,
        "runs": 1,
        "recipe": "wrn-28-10.cifar10.paper",
        "epochs": 200,
        "training_seconds": 12.5,
        "hardware": "8 x H100, borrowed",
        "dataset": "cifar10",
        "data_note": 'a "lossy" copy, of JPEG',
        "baseline": None,
        "baseline_value": None,
        # Savarese & Maire (2019), table 1: an error of 4.0%.
        "paper_accuracy": 96.0,
        "paper_source": "table 1: flips and crops, mean of 5 runs",
        "sha256": "ab" * 32,
    }
    assert row.headline == Headline("test accuracy", 0.9587, 10000)
    assert row.with_measured(Measured(5, 6)).measured == (5, 6)


def test_the_metric_of_paths_is_the_last_phase_and_has_a_baseline():
    metrics = {f"test_f1_phase_{phase}": phase / 100 for phase in range(1, 11)}
    metrics |= {"test_f1_without_queries_phase_10": 0.5, "test_grids_a_phase": 40, "cnn-20_test_f1_phase_10": 0.09}
    row = row_of(record(architecture="scnn-20", metrics=metrics, recipe={"baseline": "cnn-20"}))
    assert row.headline == Headline("F1 in phase 10", 0.1, 40)
    assert row.baseline_headline == Headline("F1 in phase 10", 0.09, 40)
    assert (row.baseline, row.paper_accuracy) == ("cnn-20", None)


def test_what_is_not_known_is_left_out():
    row = row_of(record(metrics={"largest_angle_to_mean": 0.2}, dataset={"name": "pets"}))
    assert (row.headline, row.baseline_headline, row.runs, row.epochs, row.paper_accuracy) == (None,) * 5
    assert headline({"test_f1_phase_last": 1.0}) is None


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"files": {}}, "whose files are none"),
        ({"metrics": {"test_accuracy": "high"}}, "not a ResultRow.*value.*valid number"),
        ({"architecture": "vgg-16", "dataset": {"name": "cifar10"}}, "No architecture has this name"),
    ],
)
def test_records_that_give_no_row(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        row_of(record(**fields))


def test_differences_name_columns_but_not_those_measured_on_the_model():
    row = row_of(record(epochs=3))
    assert row.differences(row.with_measured(Measured(5, 6))) == []
    assert row.differences(row_of(record(epochs=4, seed=1))) == ["runs is 1, not None", "epochs is 4, not 3"]


def test_csv_keeps_every_value(tmp_path):
    first = row_of(record(hardware='1 x "H200", warm', training_seconds=0.1 + 0.2, dataset={"name": "pets"}))
    rows = [first.with_measured(Measured(12)), row_of(record(name="wrn-28-10.pets", metrics={"test_accuracy": 1 / 3}))]
    path = tmp_path / "results.csv"
    path.write_text(format_csv(rows))
    assert list(read_csv(path).values()) == rows
    assert path.read_text().splitlines()[0] == ",".join(COLUMNS)
    assert read_csv(tmp_path / "nowhere.csv") == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "checkpoint,accuracy\na,1\n",
        ",".join(COLUMNS) + "\nonly-a-name\n",
        ",".join(COLUMNS) + "\n" + ",".join("x" * len(COLUMNS)) + "\n",
        ",".join(COLUMNS) + "\n" + "1," * 40 + "\n",
        ",".join(COLUMNS) + '\n"x\n',
        "\x00\n",
    ],
)
def test_a_file_that_is_none_of_ours(tmp_path, text):
    (tmp_path / "results.csv").write_text(text)
    with pytest.raises(ValueError, match=r"cannot be read; write it anew .* Received: .*results\.csv"):
        read_csv(tmp_path / "results.csv")


def test_a_file_that_is_no_text(tmp_path):
    (tmp_path / "results.csv").write_bytes(b"\xff\xfe\x00checkpoint")
    with pytest.raises(ValueError, match="cannot be read"):
        read_csv(tmp_path / "results.csv")
