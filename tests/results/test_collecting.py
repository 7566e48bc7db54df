"""The table of results: what is written is what the records and the models give."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
from pathlib import Path

import pytest

from recurzoo.results import collect, verify, write
from recurzoo.results.readme import BEGIN, END, format_table, replace_table
from recurzoo.results.row import Measured
from recurzoo.results.table_file import read_csv
from tests.results.conftest import PATHS, PETS

ROOT = Path(__file__).parent.parent.parent
FOLDERS = sorted(path.parent for path in (ROOT / "weights").glob("*/record.json"))


def table_of(text):
    lines = text.partition(BEGIN)[2].partition(END)[0].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    assert set("".join(cells[1])) <= set("-:")
    return [dict(zip(cells[0], line, strict=True)) for line in cells[2:]]


def test_there_is_a_row_for_each_shipped_checkpoint():
    assert FOLDERS
    with (ROOT / "weights" / "results.csv").open(newline="") as file:
        assert [row["checkpoint"] for row in csv.DictReader(file)] == [folder.name for folder in FOLDERS]
    assert [row["checkpoint"] for row in table_of((ROOT / "README.md").read_text())] == [
        f"`{folder.name}`" for folder in FOLDERS
    ]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_file_says_what_the_record_says(folder):
    with (ROOT / "weights" / "results.csv").open(newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["checkpoint"] == folder.name)
    record = json.loads((folder / "record.json").read_text())
    weights = (folder / "model.safetensors").read_bytes()
    assert (row["sha256"], int(row["bytes"])) == (hashlib.sha256(weights).hexdigest(), len(weights))
    for column, name in {"architecture": "architecture", "recipe": "recipe_name", "hardware": "hardware"}.items():
        assert row[column] == record[name]
    for name in ("parameters", "epochs", "training_seconds"):
        assert float(row[name]) == record[name]
    assert (row["dataset"], row["data_note"]) == (record["dataset"]["name"], record["dataset"]["note"] or "")
    metrics = record["metrics"]
    if "test_accuracy" in metrics:
        assert (float(row["value"]), int(row["test_examples"])) == (metrics["test_accuracy"], metrics["test_images"])
    else:
        assert float(row["value"]) == metrics["test_f1_phase_5"]
    told = next(told for told in table_of((ROOT / "README.md").read_text()) if told["checkpoint"] == f"`{folder.name}`")
    assert told["parameters"] == f"{record['parameters']:,}"
    assert told["bytes on disk"] == f"{len(weights):,}"
    assert told["folded ONNX bytes"] == f"{int(row['folded_onnx_bytes']):,}"
    assert (
        f"{100 * float(row['value']):.2f}%" in told["accuracy or F1"]
        or f"{float(row['value']):.3f}" in told["accuracy or F1"]
    )
    assert told["epochs"] == str(record["epochs"])
    assert record["hardware"] in told["hardware"]


def test_the_readme_is_written_by_the_command():
    text = (ROOT / "README.md").read_text()
    assert replace_table(text, list(read_csv(ROOT / "weights" / "results.csv").values())) == text


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_operations_are_those_of_the_model(folder):
    import keras

    import recurzoo.models  # noqa: F401
    from recurzoo.benchmarking import macs

    # Without weights, which have no part in it.
    model = keras.saving.deserialize_keras_object(json.loads((folder / "config.json").read_text()))
    assert macs(model) == read_csv(ROOT / "weights" / "results.csv")[folder.name].macs


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_onnx_bytes_are_those_of_an_export(folder, tmp_path):
    pytest.importorskip("onnxruntime")
    import recurzoo
    from recurzoo.sharing import SoftBank

    model = recurzoo.load(folder)
    if any(isinstance(bank, SoftBank) for stage in model.stages for bank in stage.banks):
        model = recurzoo.fold(model, threshold=0.9)
    recurzoo.export(model, tmp_path / "folded.onnx")
    stored = read_csv(ROOT / "weights" / "results.csv")[folder.name].folded_onnx_bytes
    # Another version of the exporter may word the file otherwise.
    assert stored == pytest.approx((tmp_path / "folded.onnx").stat().st_size, rel=0.01)


@pytest.fixture
def clone(shelf):
    """The shelf as the `weights/` of a clone."""
    (shelf.parent / "pyproject.toml").write_text("")
    (shelf.parent / "README.md").write_text(f"# Zoo\n\n{BEGIN}\nold\n{END}\n\nAfter.\n")
    return shelf.parent


@pytest.mark.tensorflow
def test_write(clone):
    pytest.importorskip("onnxruntime")
    import recurzoo

    lines = []
    written = write(clone, lines.append)
    assert lines == [f"1/2 measuring {PATHS}", f"2/2 measuring {PETS}"]
    assert list(read_csv(clone / "weights" / "results.csv").values()) == list(written.rows) == list(collect().rows)
    paths, pets = written.rows
    # 20 applications of a kernel of 3x3x32x32 to 8x8 cells, but for the first layer and the head.
    assert paths.macs == pytest.approx(20 * 64 * 9 * 32 * 32, rel=0.05)
    # A single template is one kernel however it is shared, and a file holds it once.
    parameters = recurzoo.fold(recurzoo.load(clone / "weights" / PETS)).fold_report.parameters_after
    assert 4 * parameters < pets.folded_onnx_bytes < 1.1 * 4 * parameters + 65536
    text = (clone / "README.md").read_text()
    assert (text.startswith(f"# Zoo\n\n{BEGIN}\n"), text.endswith(f"{END}\n\nAfter.\n"), "\nold\n" in text) == (
        True,
        True,
        False,
    )
    assert [row["folded ONNX bytes"] for row in table_of(text)] == [
        f"{row.folded_onnx_bytes:,}" for row in written.rows
    ]
    assert not verify().failed
    assert sorted(path.name for path in clone.iterdir()) == ["README.md", "pyproject.toml", "weights"]


def test_nothing_is_written_when_something_is_wrong(clone, monkeypatch):
    def fail(folder):
        raise ImportError("the extra is not installed")

    readme = (clone / "README.md").read_text()
    monkeypatch.setattr("recurzoo.results.collecting.measure", fail)
    with pytest.raises(ImportError, match="extra"):
        write(clone)
    assert (clone / "README.md").read_text() == readme
    (clone / "README.md").write_text("# Zoo\n")
    with pytest.raises(ValueError, match="marks where its table"):
        write(clone)
    (clone / "pyproject.toml").unlink()
    with pytest.raises(FileNotFoundError, match="in a clone"):
        write(clone)
    assert not (clone / "weights" / "results.csv").exists()


def test_measured_columns_are_kept_while_the_record_stays_the_same(clone, change, monkeypatch):
    monkeypatch.setattr("recurzoo.results.collecting.measure", lambda folder: Measured(11, 22))
    assert [row.measured for row in collect().rows] == [(None, None), (None, None)]
    write(clone)
    assert [row.measured for row in collect().rows] == [(11, 22), (11, 22)]
    change(clone / "weights" / PETS, epochs=9)
    assert [(row.epochs, row.measured) for row in collect().rows] == [(2, (11, 22)), (9, (None, None))]


def test_remarks_under_the_table(shelf):
    text = format_table(collect().rows)
    assert "Every figure is of one run." in text
    assert f"By the recipe of `{PATHS}`, `cnn-20` (185,729 parameters) has 0.250 F1 in phase 2, 6 grids." in text
    assert "The images of pets were drawn by a generator." in text


def test_a_baseline_with_a_row_needs_no_remark(shelf):
    rows = collect().rows
    paths = next(row for row in rows if row.checkpoint == PATHS)
    baseline = dataclasses.replace(paths, checkpoint="cnn-20.shortest-paths", architecture="cnn-20", baseline=None)
    assert "By the recipe of" not in format_table([*rows, baseline])
    assert "By the recipe of" in format_table([*rows, dataclasses.replace(baseline, dataset="mazes")])


@pytest.mark.parametrize(
    "text", ["no markers", f"{BEGIN}\n", f"{END}\n{BEGIN}\n", f"{BEGIN}\n{BEGIN}\n{END}\n", f"{BEGIN}\n{END}\n{END}\n"]
)
def test_a_readme_without_a_place_for_the_table(text):
    with pytest.raises(ValueError, match="put them back"):
        replace_table(text, [])


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "name", ["rc-4-w16", "resnet-24-relaxed-all", "frnn-3-t5-w16", "preresnet-50-ubn", "wrn-22-1", "cnn-20"]
)
def test_every_family_has_its_row(name, clone, tmp_path):
    pytest.importorskip("onnxruntime")
    import shutil

    import recurzoo
    from recurzoo.training.relaxation import consolidated

    for folder in (PATHS, PETS):
        shutil.rmtree(clone / "weights" / folder)
    # As at the end of a run.
    model, _ = consolidated(recurzoo.create(name), lambda model: {})
    data = "shortest-paths" if name == "cnn-20" else "cifar10"
    recurzoo.save(
        model,
        clone / "weights" / f"{name}.{data}",
        {"name": f"{name}.{data}", "architecture": name, "dataset": {"name": data}},
    )
    (row,) = write(clone).rows
    assert row.macs > row.parameters / 2
    # No kernel is in the file twice; only a normalisation may go into the kernel before it.
    assert 0.9 * 4 * row.parameters < row.folded_onnx_bytes < 1.1 * 4 * row.parameters + 65536
    assert not verify(f"{name}.{data}").failed
    paper = {"resnet-24-relaxed-all": 89.94}
    assert row.paper_accuracy == paper.get(name)
