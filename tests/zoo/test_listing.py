"""`recurzoo list` and `recurzoo info` on a shelf of records written by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import recurzoo
from recurzoo.cli.main import main

IMAGES = {
    "test_accuracy": 0.87154,
    "test_loss": 0.384588,
    "test_images": 10000,
    "test_fingerprint": "33fbcd9a" * 8,
    "test_accuracy_at_readout_10_recomputed": 0.31,
    "test_accuracy_at_readout_2_recomputed": 0.4,
    "test_accuracy_at_readout_2_reused": 0.3,
    "relaxed_test_accuracy": 0.86,
}
PATHS = {
    "test_f1_phase_1": 0.98249,
    "test_f1_phase_2": 0.96397,
    "test_f1_without_queries_phase_1": 0.5,
    "test_grids_a_phase": 500,
    "cnn-20_test_f1_phase_1": 0.12345,
    "cnn-20_test_grids_a_phase": 77,
}


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes the record of a checkpoint, of which there are no others."""
    monkeypatch.setattr("recurzoo.zoo.finding.PACKAGE", tmp_path / "no" / "package")
    monkeypatch.setenv("RECURZOO_WEIGHTS", str(tmp_path / "weights"))

    def write(name, **facts):
        folder = tmp_path / "weights" / name
        folder.mkdir(parents=True)
        record = {"name": name, "architecture": name.partition(".")[0]} | facts
        (folder / "record.json").write_text(json.dumps(record))
        return folder

    return write


def told(capsys, *words):
    assert main(list(words)) == 0
    return capsys.readouterr().out


def rows(text):
    """The table of `info`, by the words before the first gap."""
    return {key: value.strip() for key, _, value in (line.partition("  ") for line in text.splitlines()[1:])}


def test_every_checkpoint_has_its_figure(write, capsys):
    write("swrn-22-1-2.cifar10", parameters=5, metrics=IMAGES)
    write("scnn-20.shortest-paths", metrics=PATHS)
    write("rc-4.cifar10")
    write("wrn-22-1.cifar10", metrics={"test_accuracy": "high", "test_images": [1]})
    lines = {line.split()[0]: line.strip() for line in told(capsys, "list", "--pretrained").splitlines()}
    assert lines["name"].split() == ["name", "parameters", "weights", "measured"]
    assert lines["swrn-22-1-2"].split(maxsplit=3)[1:] == ["5", "swrn-22-1-2.cifar10", "87.15% of 10,000 images"]
    assert lines["scnn-20"].endswith("0.964 F1 in phase 2, 500 grids")
    assert lines["rc-4"].split()[-2:] == ["not", "measured"]
    assert lines["wrn-22-1"].split()[-2:] == ["not", "measured"]
    listed = json.loads(told(capsys, "list", "s*", "--pretrained", "--json"))["models"]
    assert [model["measured"] for model in listed] == [
        {"metric": "F1 in phase 2", "value": 0.96397, "examples": 500},
        {"metric": "test accuracy", "value": 0.87154, "examples": 10000},
    ]


def test_without_weights_there_is_no_figure(write, capsys):
    (line,) = told(capsys, "list", "swrn-28-10-2").splitlines()[1:]
    assert line.split() == ["swrn-28-10-2", "17,125,630"]
    assert rows(told(capsys, "info", "swrn-28-10-2"))["checkpoint"].startswith("none")


def test_info_of_a_classifier(write, capsys):
    data = {"name": "cifar10", "note": "halved"}
    write("swrn-22-1-2.cifar10", metrics=IMAGES, dataset=data, class_names=["cat", "[/dog]"])
    text = told(capsys, "info", "swrn-22-1-2")
    table = rows(text)
    assert table["checkpoint"] == "swrn-22-1-2.cifar10"
    # Brackets are no markup.
    assert table["classes"] == "cat, [/dog]"
    assert (table["test accuracy"], table["test loss"]) == ("87.15%", "0.3846")
    assert table["relaxed test accuracy"] == "86.00%"
    assert (table["read out at, reused"], table["read out at, recomputed"]) == ("2: 30.00%", "2: 40.00%, 10: 31.00%")
    assert table["measured on"] == "10,000 test images of CIFAR-10 (halved)"
    assert "fingerprint" not in text
    assert "33fbcd9a" not in text
    assert "loads" not in text


def test_info_of_paths_leaves_the_baseline_out(write, capsys):
    write("scnn-20.shortest-paths", metrics=PATHS, recipe={"baseline": "cnn-20"}, dataset={"name": "shortest-paths"})
    text = told(capsys, "info", "scnn-20")
    assert rows(text)["test F1"] == "phase 1: 0.9825, phase 2: 0.9640"
    assert rows(text)["test F1 without the query cells"] == "phase 1: 0.5000"
    assert rows(text)["measured on"].endswith("that training never saw, 500 a phase")
    assert not [key for key in rows(text) if key.startswith("cnn-20")]
    assert "0.123" not in text
    everything = json.loads(told(capsys, "info", "scnn-20", "--json"))
    assert (everything["metrics"], everything["baseline"]) == (PATHS, "cnn-20")


def test_a_recipe_whose_baseline_is_no_name(write):
    write("scnn-20.shortest-paths", metrics=PATHS, recipe={"baseline": ["cnn-20"]})
    assert recurzoo.info("scnn-20").baseline is None


def test_class_names_are_those_of_the_logits(write, capsys):
    names = tuple(f"class {number}" for number in range(21))
    folder = write("swrn-22-1-2.mine", class_names=names)
    model = recurzoo.info(folder)
    assert (model.class_names, model.classes) == (names, 21)
    assert rows(told(capsys, "info", str(folder)))["classes"] == "21"
    assert recurzoo.info("swrn-22-1-2").class_names == ()


def test_shipped_class_names():
    path = Path(__file__).parents[2] / "weights" / "swrn-22-1-2.cifar10" / "record.json"
    assert list(recurzoo.info("swrn-22-1-2").class_names) == json.loads(path.read_text())["class_names"]
