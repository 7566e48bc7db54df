"""A row says what the record, the runs beside it, the catalog and the file of weights say."""

from __future__ import annotations

import json
import statistics

import pytest

from recurzoo.catalog.catalog import architecture, architecture_names
from recurzoo.catalog.names import plain_twin
from recurzoo.results.rows import Measured, ResultRow, rows_in
from recurzoo.results.table import COLUMNS, format_csv, read_csv
from tests.support.shelf import PATHS, PETS

WEIGHTS = {"sha256": "ab" * 32, "bytes": 1234}
FINGERPRINT = "cd" * 32


@pytest.fixture
def write(tmp_path):
    def write(name="wrn-28-10.cifar10", folder="", **facts):
        record = {"name": name, "architecture": name.partition(".")[0], "files": {"model.safetensors": WEIGHTS}}
        path = tmp_path / (folder or name) / "record.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(record | facts))
        return tmp_path

    return write


def by_name(weights):
    return {row.name: row for row in rows_in(weights)}


def test_a_row(write):
    (row,) = rows_in(
        write(
            parameters=36479194,
            dataset={"name": "cifar10"},
            recipe={"name": "mine", "architecture": "wrn-28-10", "dataset": "cifar10", "epochs": 200, "seed": 4},
            epochs=200,
            training_seconds=12.5,
            hardware='8 x "H100", borrowed',
            scores=[
                {"metric": "loss", "value": 0.2},
                {"metric": "accuracy", "value": 0.9587, "examples": 10000, "fingerprint": FINGERPRINT},
            ],
        )
    )
    assert {key: value for key, value in row.to_dict().items() if value is not None} == {
        "name": "wrn-28-10.cifar10",
        "architecture": "wrn-28-10",
        "dataset": "cifar10",
        "parameters": 36479194,
        "bytes": 1234,
        "sha256": "ab" * 32,
        "metric": "accuracy",
        "value": 0.9587,
        "examples": 10000,
        "runs": 1,
        "mean": 0.9587,
        "recipe": "mine",
        "epochs": 200,
        "training_seconds": 12.5,
        "hardware": '8 x "H100", borrowed',
        # Savarese & Maire (2019), table 1: an error of 4.0%.
        "paper_accuracy": 96.0,
        "paper_source": row.paper_source,
    }
    assert "table 1" in row.paper_source


def test_little_is_known_of_a_plain_save(write):
    (row,) = rows_in(write())
    assert (row.metric, row.value, row.runs, row.paper_accuracy, row.value_in_words) == (None, None, None, None, "")


def test_the_paper_figure_is_of_the_same_data(write):
    rows = by_name(write(dataset={"name": "cifar100"}) and write("wrn-28-10.pets", dataset={"name": "pets"}))
    assert rows["wrn-28-10.cifar10"].paper_accuracy == pytest.approx(100 - 19.25, abs=0.5)
    assert rows["wrn-28-10.pets"].paper_accuracy is None


def test_a_record_without_its_weights_is_refused(write):
    with pytest.raises(ValueError, match=r"recorded weights.*config\.json"):
        rows_in(write(files={"config.json": WEIGHTS}))


def test_records_that_cannot_be_read_are_reported_and_left_out(write):
    weights = write()
    write("rc-4.cifar10", format=2)
    write("rc-4.cifar10", folder="runs/rc-4.cifar10.fast.seed-1")
    reported = {}
    rows = rows_in(weights, lambda folder, problem: reported.update({folder.name: problem}))
    assert [row.name for row in rows] == ["wrn-28-10.cifar10"]
    assert reported.keys() == {"rc-4.cifar10", "rc-4.cifar10.fast.seed-1"}


def test_runs_of_one_recipe_have_a_mean_and_a_spread(shelf, run, change):
    change(shelf / PETS, {("accuracy", None): 0.9})
    run(PETS, 0.8, seed=5)
    run(PETS, 0.6, seed=6)
    row = by_name(shelf)[PETS]
    assert (row.value, row.runs) == (0.9, 3)
    assert row.mean == pytest.approx(statistics.mean([0.9, 0.8, 0.6]))
    assert row.spread == pytest.approx(statistics.stdev([0.9, 0.8, 0.6]))
    assert row.value_in_words == "90.00% (76.67% ± 15.28% in 3 runs)"


@pytest.mark.parametrize("changes", [{"batch_size": 7}, {"name": "swrn-16-1-1.pets.other"}, {"seed": 3}])
def test_another_recipe_and_the_same_seed_are_no_further_runs(shelf, run, change, changes):
    change(shelf / PETS, {("accuracy", None): 0.9})
    run(PETS, 0.8, **changes)
    assert (by_name(shelf)[PETS].runs, by_name(shelf)[PETS].mean) == (1, 0.9)


def test_other_test_images_are_not_averaged(shelf, run, change):
    folder = run(PETS, 0.8, seed=5)
    record = json.loads((folder / "record.json").read_text())
    change(folder, scores=[score | {"fingerprint": FINGERPRINT} for score in record["scores"]])
    assert by_name(shelf)[PETS].runs == 1


def test_a_folded_checkpoint_is_no_run_of_its_recipe(shelf, change):
    record = json.loads((shelf / PETS / "record.json").read_text())
    folder = shelf / f"{PETS}.folded"
    folder.mkdir()
    parent = {"action": "fold", "checkpoint": PETS, "threshold": 0.9}
    (folder / "record.json").write_text(json.dumps(record | {"name": folder.name, "parent": parent}))
    rows = by_name(shelf)
    assert [rows[name].runs for name in (PETS, folder.name)] == [1, 1]
    assert [rows[name].made for name in (PETS, folder.name)] == [None, "fold"]


def test_the_plain_twin_is_of_the_same_schedule(shelf, run):
    twin = {"architecture": "wrn-16-1"}
    run(PETS, 0.7, name="wrn-16-1.pets.small", seed=0, **twin)
    run(PETS, 0.5, name="wrn-16-1.pets.small", seed=1, **twin)
    run(PETS, 0.1, name="wrn-16-1.pets.long", **twin)
    row = by_name(shelf)[PETS]
    assert (row.twin, row.twin_value, row.twin_runs) == ("wrn-16-1", pytest.approx(0.6), 2)
    assert row.twin_in_words == "60.00% ± 14.14% in 2 runs"
    assert by_name(shelf)[PATHS].twin == "cnn-20"
    assert by_name(shelf)[PATHS].twin_value is None


def test_runs_whose_weights_do_not_ship_have_rows(shelf, run):
    run(PATHS, 0.7, name="cnn-20.shortest-paths.small", architecture="cnn-20", seed=8)
    run(PATHS, 0.6, name="cnn-20.shortest-paths.small", architecture="cnn-20", seed=9)
    rows = by_name(shelf)
    assert list(rows) == ["cnn-20.shortest-paths.small", PATHS, PETS]
    row = rows["cnn-20.shortest-paths.small"]
    assert (row.bytes, row.sha256, row.runs, row.value, row.mean) == (None, None, 2, 0.7, pytest.approx(0.65))
    assert row.value_in_words == "0.7000 F1 (0.6500 ± 0.0707 F1 in 2 runs)"
    # The last phase's, which is what a network is compared by.
    assert (row.phase, rows[PATHS].twin_value) == (2, pytest.approx(0.65))


def test_every_plain_twin_shares_nothing():
    twins = {name: plain_twin(architecture(name)) for name in architecture_names()}
    for name, twin in twins.items():
        words = architecture(twin or name).sharing
        assert words.startswith("none"), (name, twin)
        assert twin is None or plain_twin(architecture(twin)) is None
    assert twins["swrn-28-10-2"] == "wrn-28-10"
    assert twins["rc-4-w16"] == "rc-resnet-18-w16"
    assert twins["preresnet-50-ubn"] == "preresnet-50"
    assert twins["resnet-24-relaxed-all"] == "resnet-24"
    assert twins["frnn-3-t5-w16"] == "frnn-3-t5-w16-independent"
    assert twins["wrn-28-10"] is None


def test_rows_in_a_file(shelf, tmp_path):
    rows = [row.with_measured(Measured(macs=11, twin_parameters=252336)) for row in rows_in(shelf)]
    rows[0] = rows[0].replace(hardware='a "b", c\nd')
    (tmp_path / "results.csv").write_text(format_csv(rows))
    assert list(read_csv(tmp_path / "results.csv").values()) == rows
    assert rows[1].share == pytest.approx(0.5, abs=0.01)
    assert COLUMNS[0] == "name"
    assert set(COLUMNS) == set(ResultRow.model_fields)


@pytest.mark.parametrize(
    "text", ["name,accuracy\nresnet,1\n", ",".join(COLUMNS) + "\nx" + "," * (len(COLUMNS) - 1) + "\n", "\x00", '"']
)
def test_a_file_that_is_not_ours(tmp_path, text):
    (tmp_path / "results.csv").write_text(text)
    with pytest.raises(ValueError, match="cannot be read"):
        read_csv(tmp_path / "results.csv")


def test_differences_are_named():
    row = ResultRow(name="x", architecture="y", parameters=1, epochs=2)
    assert row.differences(row.with_measured(Measured(macs=5))) == []
    assert row.differences(row.replace(epochs=3, hardware="z")) == ["epochs is 3, not 2", "hardware is z, not None"]
