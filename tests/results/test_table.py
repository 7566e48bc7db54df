"""The table of results: what is written is what the records and the models give."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import statistics
import sys
import xml.etree.ElementTree
from pathlib import Path

import pytest

import recurzoo
from recurzoo.results.picture import draw, public_points
from recurzoo.results.rows import Measured, ResultRow
from recurzoo.results.table import BEGIN, END, PICTURE, list_results, read_csv, replace_table, write_results
from tests.support.shelf import PATHS, PETS

ROOT = Path(__file__).parent.parent.parent
FOLDERS = sorted(path.parent for path in (ROOT / "weights").glob("*/record.json"))
SIZES = Measured(macs=11, folded_onnx_bytes=22, twin_parameters=10**6)


def table_of(text):
    lines = text.partition(BEGIN)[2].partition(END)[0].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    assert set("".join(cells[1])) <= set("-:")
    return {line[0]: dict(zip(cells[0], line, strict=True)) for line in cells[2:]}


def labels(svg):
    """The texts of a picture."""
    namespace = "{http://www.w3.org/2000/svg}"
    return {"".join(text.itertext()).strip() for text in xml.etree.ElementTree.fromstring(svg).iter(f"{namespace}text")}


def test_there_is_a_row_for_each_shipped_checkpoint():
    assert FOLDERS
    with (ROOT / "weights" / "results.csv").open(newline="") as file:
        rows = [row["name"] for row in csv.DictReader(file)]
    assert {folder.name for folder in FOLDERS} <= set(rows)
    assert list(table_of((ROOT / "README.md").read_text())) == rows


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_file_says_what_the_record_says(folder):
    with (ROOT / "weights" / "results.csv").open(newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["name"] == folder.name)
    record = json.loads((folder / "record.json").read_text())
    weights = (folder / "model.safetensors").read_bytes()
    assert (row["sha256"], int(row["bytes"])) == (hashlib.sha256(weights).hexdigest(), len(weights))
    assert (row["architecture"], row["hardware"]) == (record["architecture"], record["hardware"])
    assert (row["recipe"], row["dataset"]) == (record["recipe"]["name"], record["dataset"]["name"])
    for name in ("parameters", "epochs", "training_seconds"):
        assert float(row[name]) == record[name]
    plain = [score for score in record["scores"] if score["model"] is score["readout"] is None]
    (score,) = [score for score in plain if (score["metric"], score["phase"]) in {("accuracy", None), ("f1", 5)}]
    assert (float(row["value"]), int(row["examples"])) == (score["value"], score["examples"])
    shown = table_of((ROOT / "README.md").read_text())[folder.name]
    assert shown["parameters"] == f"{record['parameters']:,}"
    assert shown["bytes"] == f"{len(weights):,}"
    value = float(row["value"])
    assert shown["accuracy or F1"].startswith(f"{value:.2%}" if score["metric"] == "accuracy" else f"{value:.4f} F1")
    assert (shown["epochs"], shown["hardware"]) == (str(record["epochs"]), record["hardware"])
    assert shown["hours"] == f"{record['training_seconds'] / 3600:.2f}"
    if row["int8_bytes"]:
        assert shown["int8 bytes"] == f"{int(row['int8_bytes']):,}"
        assert float(row["int8_value"]) >= value - 0.005
    if row["twin_parameters"]:
        assert shown["of its plain twin's"] == f"{record['parameters'] / int(row['twin_parameters']):.0%}"


def test_means_are_of_the_runs_that_are_there():
    values = {}
    for path in [*(ROOT / "weights").glob("*/record.json"), *(ROOT / "weights" / "runs").glob("*/record.json")]:
        record = json.loads(path.read_text())
        of_metric = [
            score["value"]
            for score in record["scores"]
            if (score["metric"], score["phase"]) in {("accuracy", None), ("f1", 5)}
            and score["model"] is score["readout"] is None
        ]
        # The recipe of one seed is that of all.
        values.setdefault(record["recipe"]["name"], []).extend(of_metric)
    with (ROOT / "weights" / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["recipe"] for row in rows} == set(values)
    for row in rows:
        found = values[row["recipe"]]
        assert int(row["runs"]) == len(found)
        assert float(row["mean"]) == pytest.approx(statistics.fmean(found))
        if len(found) > 1:
            assert float(row["spread"]) == pytest.approx(statistics.stdev(found))


def test_the_readme_and_its_picture_are_written_by_the_command():
    rows = list(read_csv(ROOT / "weights" / "results.csv").values())
    text = (ROOT / "README.md").read_text()
    assert replace_table(text, rows) == text
    assert f"]({PICTURE})" in text
    # Another version of Matplotlib may draw the same otherwise.
    assert labels((ROOT / PICTURE).read_text()) == labels(draw(rows))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_operations_and_the_twins_parameters_are_those_of_the_models(folder):
    import keras

    import recurzoo.models
    from recurzoo.benchmarking import macs

    row = read_csv(ROOT / "weights" / "results.csv")[folder.name]
    # Without weights, which have no part in it.
    model = keras.saving.deserialize_keras_object(json.loads((folder / "config.json").read_text()))
    assert macs(model) == row.macs
    if row.twin:
        twin = recurzoo.create(row.twin, num_classes=model.output_shape[-1], input_shape=model.input_shape[1:])
        assert row.twin_parameters == sum(keras.ops.size(weight) for weight in twin.trainable_weights)


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_onnx_bytes_are_those_of_an_export(folder, tmp_path):
    pytest.importorskip("onnxruntime")
    from recurzoo.exporting.quantizing import THRESHOLD
    from recurzoo.sharing import SoftBank

    model = recurzoo.load(folder)
    if any(isinstance(bank, SoftBank) for stage in model.stages for bank in stage.banks):
        model = recurzoo.fold(model, threshold=THRESHOLD)
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
def test_write(clone, run, pets, tmp_path_factory):
    pytest.importorskip("onnxruntime")
    run(PATHS, 0.5, name="cnn-20.shortest-paths.small", architecture="cnn-20")
    lines = []
    # Of the grids no data are given: their network is not measured in int8.
    written = write_results(clone, str(pets), lines.append)
    assert lines == [f"1/2 measuring {PATHS}", f"2/2 measuring {PETS}"]
    assert list(read_csv(clone / "weights" / "results.csv").values()) == list(written.rows) == list(list_results().rows)
    unshipped, paths, classifier = written.rows
    # 20 applications of a kernel of 3x3x32x32 to 8x8 cells, but for the first layer and the head.
    assert paths.macs == pytest.approx(20 * 64 * 9 * 32 * 32, rel=0.05)
    assert paths.twin_parameters == 185729
    assert (unshipped.name, unshipped.measured) == ("cnn-20.shortest-paths.small", Measured())
    # A single template is one kernel however it is shared, and a file holds it once.
    folded = recurzoo.fold(recurzoo.load(clone / "weights" / PETS))
    parameters = folded.fold_report.parameters_after
    assert (
        classifier.folded_onnx_bytes == recurzoo.export(folded, tmp_path_factory.mktemp("file") / "folded.onnx").bytes
    )
    # Some normalizations are part of convolutions in it.
    assert 0.99 * 4 * parameters < classifier.folded_onnx_bytes < 1.1 * 4 * parameters + 65536
    assert parameters < classifier.int8_bytes < classifier.folded_onnx_bytes
    # Of four test images.
    assert classifier.int8_value in (0, 0.25, 0.5, 0.75, 1)
    assert (paths.int8_bytes, paths.int8_value) == (None, None)
    text = (clone / "README.md").read_text()
    assert text.startswith(f"# Zoo\n\n{BEGIN}\n")
    assert text.endswith(f"{END}\n\nAfter.\n")
    assert "\nold\n" not in text
    assert table_of(text)[PETS]["int8 bytes"] == f"{classifier.int8_bytes:,}"
    assert table_of(text)[unshipped.name]["bytes"] == "no weights"
    assert sorted(path.name for path in clone.iterdir()) == ["README.md", "docs", "pyproject.toml", "weights"]
    # Without data, what was measured of the same weights stays.
    again = write_results(clone).rows[-1]
    assert (again.int8_bytes, again.int8_value) == (classifier.int8_bytes, classifier.int8_value)
    before = (clone / "weights" / "results.csv").read_text()
    for data, names, problem in (
        (str(pets), ["nobody.pets"], "no such checkpoint. Received: nobody.pets"),
        (None, [PETS], "add --data"),
        (str(pets), [PATHS], f"networks that classify color images. Received: '{PATHS}'"),
        ("nowhere", (), "fit none of the checkpoints.*'nowhere', which is no folder"),
    ):
        with pytest.raises(ValueError, match=problem):
            write_results(clone, data, names=names)
    assert (clone / "weights" / "results.csv").read_text() == before


@pytest.mark.parametrize("module", ["onnxruntime", "matplotlib"])
def test_nothing_is_written_when_something_is_missing(clone, monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    if module == "onnxruntime":
        monkeypatch.setattr("recurzoo.results.table._folded_onnx_bytes", lambda model: __import__(module))
    readme = (clone / "README.md").read_text()
    with pytest.raises(ImportError, match=f"(?i){module}"):
        write_results(clone)
    assert (clone / "README.md").read_text() == readme
    assert not (clone / "weights" / "results.csv").exists()
    assert not (clone / "docs").exists()


@pytest.mark.tensorflow
@pytest.mark.parametrize("data", ["digits", "no/such/folder"])
def test_data_that_fit_no_checkpoint_are_refused_and_nothing_is_written(clone, monkeypatch, data):
    monkeypatch.setattr("recurzoo.results.table.measure", lambda model: SIZES)
    readme = (clone / "README.md").read_text()
    with pytest.raises(ValueError, match=data):
        write_results(clone, data)
    assert (clone / "README.md").read_text() == readme
    assert not (clone / "weights" / "results.csv").exists()


def test_where_there_is_no_place_for_the_table_nothing_is_written(clone):
    (clone / "README.md").write_text("# Zoo\n")
    with pytest.raises(ValueError, match="marks where its table"):
        write_results(clone)
    (clone / "pyproject.toml").unlink()
    with pytest.raises(FileNotFoundError, match="in a clone"):
        write_results(clone)
    assert not (clone / "weights" / "results.csv").exists()


def test_a_record_that_cannot_be_read_is_not_left_out_of_what_is_written(clone, change):
    change(clone / "weights" / PETS, format=2)
    with pytest.raises(ValueError, match=PETS):
        write_results(clone)
    assert not (clone / "weights" / "results.csv").exists()


def test_measured_columns_are_kept_while_the_record_stays_the_same(clone, change, monkeypatch):
    monkeypatch.setattr("recurzoo.results.table.measure", lambda model: SIZES)
    assert [row.measured for row in list_results().rows] == [Measured(), Measured()]
    write_results(clone)
    assert [row.measured for row in list_results().rows] == [SIZES, SIZES]
    change(clone / "weights" / PETS, epochs=9)
    assert [(row.epochs, row.measured) for row in list_results().rows] == [(2, SIZES), (9, Measured())]


@pytest.mark.parametrize(
    "text", ["no markers", f"{BEGIN}\n", f"{END}\n{BEGIN}\n", f"{BEGIN}\n{BEGIN}\n{END}\n", f"{BEGIN}\n{END}\n{END}\n"]
)
def test_a_readme_without_a_place_for_the_table(text):
    with pytest.raises(ValueError, match="put them back"):
        replace_table(text, [])


def test_what_the_picture_shows():
    def row(name, **changes):
        plain = {"architecture": name.partition(".")[0], "dataset": "cifar10", "metric": "accuracy", "value": 0.9}
        return ResultRow.from_dict({"name": name, "parameters": 5, "bytes": 10**5} | plain | changes)

    rows = [
        row("swrn-22-1-2.cifar10", twin="wrn-22-1"),
        row("wrn-22-1.cifar10", bytes=2 * 10**5),
        row("swrn-22-1-2.cifar10.folded", twin="wrn-22-1", made="fold"),
        row("swrn-28-1-2.cifar10", twin="wrn-28-1", int8_bytes=3 * 10**4, int8_value=0.89),
        row("rc-4.cifar100", dataset="cifar100"),
        row("rc-2.cifar10.cpu", bytes=None),
        row("rc-1.cifar10", value=None),
    ]
    shown = labels(draw(rows))
    assert {"swrn-22-1-2", "wrn-22-1", "swrn-22-1-2.folded", "swrn-28-1-2"} <= shown
    assert {f"{point.name} ({point.source})" for point in public_points()} <= shown
    assert {"recurzoo, shared kernels", "recurzoo, nothing shared", "recurzoo, folded", "recurzoo, in int8"} <= shown
    assert {"bytes of the weights", "test accuracy on CIFAR-10, %", "published by others", "1 MB", "10 KB"} <= shown
    assert not [text for text in shown if text.startswith("rc-")]
    assert draw(rows) == draw(rows)
    assert len(draw([])) > 1000


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "name", ["rc-4-w16", "resnet-24-relaxed-all", "frnn-3-t5-w16", "preresnet-50-ubn", "wrn-22-1", "cnn-20"]
)
def test_every_family_has_its_row(name, clone):
    pytest.importorskip("onnxruntime")
    from recurzoo.training.relaxation import consolidated

    for folder in (PATHS, PETS):
        shutil.rmtree(clone / "weights" / folder)
    # As at the end of a run.
    model, _ = consolidated(recurzoo.create(name), lambda model: ())
    data = "shortest-paths" if name == "cnn-20" else "cifar10"
    recurzoo.save(
        model,
        clone / "weights" / f"{name}.{data}",
        {"name": f"{name}.{data}", "architecture": name, "dataset": {"name": data}},
    )
    (row,) = write_results(clone).rows
    assert row.macs > row.parameters / 2
    # No kernel is in the file twice; only a normalization may go into the kernel before it.
    assert 0.9 * 4 * row.parameters < row.folded_onnx_bytes < 1.1 * 4 * row.parameters + 65536
    assert row.share is None or 0 < row.share < 1
    assert not recurzoo.verify(f"{name}.{data}").failed
    paper = {"resnet-24-relaxed-all": 89.94}
    assert row.paper_accuracy == paper.get(name)
