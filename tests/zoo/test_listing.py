"""`recurzoo list` and `recurzoo info` on a shelf of records written by hand."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

import recurzoo
from recurzoo.cli.main import main

PRINT = "33fbcd9a" * 8
ACCURACY = {"metric": "accuracy", "value": 0.87154, "examples": 10000, "fingerprint": PRINT}
IMAGES = [
    ACCURACY,
    {"metric": "loss", "value": 0.384588, "examples": 10000},
    {"metric": "accuracy", "value": 0.31, "readout": 10, "statistics": "recomputed"},
    {"metric": "accuracy", "value": 0.4, "readout": 2, "statistics": "recomputed"},
    {"metric": "accuracy", "value": 0.3, "readout": 2, "statistics": "reused"},
    {"metric": "accuracy", "value": 0.86, "model": "relaxed"},
]
PATHS = [
    {"metric": "f1", "value": 0.98249, "phase": 1, "examples": 500},
    {"metric": "f1", "value": 0.96397, "phase": 2, "examples": 500},
    {"metric": "f1_without_queries", "value": 0.5, "phase": 1, "examples": 500},
]


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes the record of a checkpoint, of which there are no others."""
    monkeypatch.setattr("recurzoo.zoo.finding.PACKAGE", tmp_path / "no" / "package")
    monkeypatch.setenv("RECURZOO_WEIGHTS", str(tmp_path / "weights"))

    def write(name, /, **facts):
        folder = tmp_path / "weights" / name
        folder.mkdir(parents=True)
        record = {"name": name, "architecture": name.partition(".")[0]} | facts
        (folder / "record.json").write_text(json.dumps(record))
        return folder

    return write


def printed(capsys, *words):
    assert main(list(words)) == 0
    return capsys.readouterr().out


def rows(text):
    """The table of `info`, by the words before the first gap."""
    return {key: value.strip() for key, _, value in (line.partition("  ") for line in text.splitlines()[1:])}


def test_every_checkpoint_has_its_figure(write, capsys):
    write("swrn-22-1-2.cifar10", parameters=5, scores=IMAGES)
    write("scnn-20.shortest-paths", scores=PATHS)
    write("rc-4.cifar10")
    write("wrn-22-1.cifar10", scores=[{"metric": "accuracy", "value": None}])
    lines = {line.split()[0]: line.strip() for line in printed(capsys, "list", "--pretrained").splitlines()}
    assert lines["name"].split() == ["name", "parameters", "weights", "measured"]
    assert lines["swrn-22-1-2"].split(maxsplit=3)[1:] == [
        "5",
        "swrn-22-1-2.cifar10",
        "87.15% accuracy on 10,000 examples",
    ]
    assert lines["scnn-20"].endswith("0.9640 F1 in phase 2 on 500 examples")
    assert lines["rc-4"].split()[-2:] == ["not", "measured"]
    assert lines["wrn-22-1"].split()[-2:] == ["not", "measured"]
    listed = json.loads(printed(capsys, "list", "s*", "--pretrained", "--json"))["models"]
    assert [{key: value for key, value in model["score"].items() if value is not None} for model in listed] == [
        PATHS[1] | {"split": "test"},
        ACCURACY | {"split": "test"},
    ]
    assert recurzoo.list_models("s*", pretrained=True) == ["scnn-20", "swrn-22-1-2"]
    assert recurzoo.list_models("*.cifar10") == ["rc-4.cifar10", "swrn-22-1-2.cifar10", "wrn-22-1.cifar10"]
    assert "rc-4" not in recurzoo.list_models(pretrained=False)


def test_another_variant_is_listed_but_not_loaded_by_the_architectures_name(write):
    write("swrn-22-1-2.cifar10.folded", scores=IMAGES)
    assert recurzoo.list_models("swrn-22-1-2", pretrained=True) == []
    assert recurzoo.list_models("swrn-22-1-2.*") == ["swrn-22-1-2.cifar10.folded"]
    assert recurzoo.info("swrn-22-1-2").weights == ("swrn-22-1-2.cifar10.folded",)


@pytest.mark.parametrize(
    "facts",
    [
        {"name": "wrn-22-1.cifar10"},
        {"parameters": -1},
        {"licence": "MIT"},
        {"format": 2},
        {"color\x1b]0;title\x07": 1},
        {"scores": [{"metric": "accuracy", "value": 10**400}]},
        {"architecture": "x" * 650_000},
    ],
)
def test_a_record_that_cannot_be_read_is_told_in_one_line_and_left_out(write, capsys, caplog, facts):
    write("rc-4.cifar10", scores=IMAGES)
    write("swrn-22-1-2.cifar10", **facts)
    out = printed(capsys, "list", "--pretrained")
    assert [line.split()[0] for line in out.splitlines()] == ["name", "rc-4"]
    (warning,) = caplog.messages
    assert "swrn-22-1-2.cifar10" in warning
    assert warning.isprintable()
    assert len(warning) < 1000


@pytest.mark.parametrize("score", [ACCURACY, {}, 7])
def test_too_many_scores_are_refused_in_a_second(write, capsys, caplog, score):
    write("swrn-22-1-2.cifar10", scores=[score] * 20_000 if score else [score] * 200_000)
    start = time.process_time()
    assert "swrn-22-1-2" not in printed(capsys, "list", "--pretrained")
    with pytest.raises(ValueError, match="scores"):
        recurzoo.info("swrn-22-1-2")
    assert time.process_time() - start < 2


def test_names_are_printed_without_control_characters(write, capsys):
    folder = write("swrn-22-1-2.cifar10\x1b[2J\u202e")
    assert "swrn-22-1-2.cifar10\\x1b[2J\\u202e" in printed(capsys, "list", "swrn-22-1-2.*")
    facts = {"class_names": ["\x1b[31mcat", "[/dog]"], "license": "\x07", "sharing": "a\nb"}
    (folder / "record.json").write_text(json.dumps({"name": "\x1bx", "architecture": "swrn-22-1-2"} | facts))
    out = printed(capsys, "info", str(folder))
    assert out.replace("\n", "").isprintable()
    # Brackets are no markup.
    assert rows(out)["classes"] == "\\x1b[31mcat, [/dog]"


def test_without_weights_there_is_no_figure(write, capsys):
    (line,) = printed(capsys, "list", "swrn-28-10-2").splitlines()[1:]
    assert line.split() == ["swrn-28-10-2", "17,125,630"]
    assert rows(printed(capsys, "info", "swrn-28-10-2"))["checkpoint"].startswith("none")


def test_info_of_a_classifier(write, capsys):
    facts = {
        "dataset": {"name": "cifar10", "license": "free"},
        "license": "MIT",
        "parent": {"action": "grow", "checkpoint": "swrn-16-1-2.cifar10"},
        "recipe": {"name": "mine", "architecture": "swrn-22-1-2", "dataset": "cifar10", "epochs": 2},
    }
    write("swrn-22-1-2.cifar10", scores=IMAGES, class_names=["cat", "dog"], **facts)
    text = printed(capsys, "info", "swrn-22-1-2")
    table = rows(text)
    assert table["checkpoint"] == "swrn-22-1-2.cifar10"
    assert table["made from"] == "swrn-16-1-2.cifar10 (grow)"
    assert (table["accuracy"], table["loss"], table["accuracy, relaxed"]) == ("87.15%", "0.3846", "86.00%")
    assert table["accuracy, statistics reused by readout time"] == "2: 30.00%"
    assert table["accuracy, statistics recomputed by readout time"] == "2: 40.00%, 10: 31.00%"
    assert table["measured on"] == "10,000 test images of CIFAR-10"
    assert table["trained by"] == "mine"
    assert PRINT not in text
    model = recurzoo.info("swrn-22-1-2")
    assert [(score.metric, score.value) for score in model.scores] == [(s["metric"], s["value"]) for s in IMAGES]
    assert model.licenses == {"code": "Apache-2.0", "weights": "MIT", "data": "free"}
    assert json.loads(printed(capsys, "info", "swrn-22-1-2", "--json")) == model.to_dict()


def test_info_of_paths(write, capsys):
    write("scnn-20.shortest-paths", scores=PATHS, dataset={"name": "shortest-paths"})
    table = rows(printed(capsys, "info", "scnn-20"))
    assert table["F1 by phase"] == "1: 0.9825, 2: 0.9640"
    assert table["F1 without the query cells by phase"] == "1: 0.5000"
    assert table["measured on"] == "500 unseen grids a phase of generated shortest paths"


def test_class_names_are_those_of_the_logits(write, capsys):
    names = tuple(f"class {number}" for number in range(21))
    folder = write("swrn-22-1-2.mine", class_names=names)
    model = recurzoo.info(folder)
    assert (model.class_names, model.classes) == (names, 21)
    assert rows(printed(capsys, "info", str(folder)))["classes"] == "21"
    assert recurzoo.info("swrn-22-1-2").class_names == ()


def test_shipped_class_names():
    path = Path(__file__).parents[2] / "weights" / "swrn-22-1-2.cifar10" / "record.json"
    assert list(recurzoo.info("swrn-22-1-2").class_names) == json.loads(path.read_text())["class_names"]
