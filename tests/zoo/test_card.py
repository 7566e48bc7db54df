"""Cards say what the record says, in words and in what the Hub's machines read."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import yaml
from huggingface_hub import ModelCard
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from recurzoo.catalog.recipe import Recipe
from recurzoo.catalog.settings import Optimizer, Schedule
from recurzoo.checkpoints.folder import KERAS_FILES, read_record
from recurzoo.checkpoints.record import Record
from recurzoo.training.optimizers import EpochSchedule, make_optimizer
from recurzoo.zoo.card import write_card

WEIGHTS = Path(__file__).parents[2] / "weights"
SHIPPED = sorted(path.parent for path in WEIGHTS.glob("*/record.json"))
PLAIN = {"name": "swrn-16-1-2.mine", "architecture": "swrn-16-1-2"}
RECIPE = {"name": "mine", "architecture": "swrn-16-1-2", "dataset": "cifar10", "epochs": 3}
ACCURACY = {"metric": "accuracy", "value": 0.5, "examples": 40}


@pytest.fixture(autouse=True)
def published(monkeypatch):
    """What the catalog says is published: one checkpoint."""
    place = SimpleNamespace(repo="zoo/parent", commit="c" * 40)
    table = {"swrn-16-1-2.cifar10": place}
    monkeypatch.setattr("recurzoo.catalog.catalog.published", table.get)


def read(repository=None, **record):
    """The card of a record: as the Hub's client reads it, and its text."""
    text = write_card(Record.from_dict(PLAIN | record), repository)
    return ModelCard(text).data, text


def rows(text, heading):
    """A table of names and values, under a heading."""
    section = text.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in section.splitlines() if line.startswith("|")]
    return {name.strip(): value.strip() for name, value in cells[2:]}


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_shipped_cards_are_generated_from_their_records(folder):
    assert (folder / "README.md").read_text(encoding="utf-8") == write_card(read_record(folder))


def test_a_classifier():
    folder = WEIGHTS / "swrn-22-1-2.cifar10"
    facts = json.loads((folder / "record.json").read_text())
    accuracy, loss = (next(s for s in facts["scores"] if s["metric"] == metric) for metric in ("accuracy", "loss"))
    card = ModelCard.load(folder / "README.md")
    assert (card.data.license, card.data.library_name) == ("apache-2.0", "recurzoo")
    assert card.data.tags == ["keras", "recurzoo", "weight-sharing", "swrn", "swrn-22-1-2"]
    assert (card.data.pipeline_tag, card.data.datasets) == ("image-classification", ["uoft-cs/cifar10"])
    assert {(r.task_type, r.dataset_type, r.dataset_split) for r in card.data.eval_results} == {
        ("image-classification", "uoft-cs/cifar10", "test")
    }
    assert {r.metric_type: r.metric_value for r in card.data.eval_results} == {
        "accuracy": accuracy["value"],
        "loss": loss["value"],
    }
    for words in (
        f"| {100 * accuracy['value']:.2f}% | {loss['value']:.4f} |",
        f"On {accuracy['examples']:,} test images of CIFAR-10",
        "`recurzoo train PATH/record.json --data DATA --out DIR`",
        'recurzoo.load("swrn-22-1-2.cifar10")',
        "recurzoo.freeze(model)",
        "Weights: Apache-2.0.",
        "none stated by its authors",
        "@inproceedings{savarese2019learning",
    ):
        assert words in card.text
    assert facts["files"].keys() <= set(re.findall(r"[\w.]+(?= \([\d,]+ bytes\))", rows(card.text, "Facts")["files"]))


def test_the_warning_about_core_keras_stands_where_its_files_are():
    stored = {"sha256": "ab" * 32, "bytes": 5}
    for names in (["model.safetensors"], ["model.safetensors", "metadata.json", "model.weights.h5"]):
        _, text = read(files=dict.fromkeys(names, stored))
        warned = "`import recurzoo`" in text and "trust" in text and "keras.saving.load_model" in text
        assert warned is ("model.weights.h5" in names)


def test_readout_times_and_other_forms_have_their_tables():
    scores = [
        ACCURACY,
        {"metric": "accuracy", "value": 0.1, "readout": 10, "statistics": "reused"},
        {"metric": "accuracy", "value": 0.3, "readout": 2, "statistics": "recomputed"},
        {"metric": "accuracy", "value": 0.2, "readout": 2, "statistics": "reused"},
        {"metric": "accuracy", "value": 0.4, "model": "relaxed"},
        {"metric": "angle", "value": 0.345, "model": "relaxed"},
        {"metric": "loss", "value": None},
    ]
    data, text = read(scores=scores)
    # Plain scores only, and only numbers.
    assert [(r.metric_type, r.metric_value) for r in data.eval_results] == [("accuracy", 0.5)]
    tables = re.findall(r"(?:^\|.*\n)+", text.partition("## Measured")[2].partition("## Facts")[0], re.MULTILINE)
    cells = [[[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()] for table in tables]
    assert cells[0][2] == ["50.00%", "40.00%", "0.34°", "not finite"]
    assert cells[1][0] == ["readout time", "accuracy, statistics recomputed", "accuracy, statistics reused"]
    assert cells[1][2:] == [["2", "30.00%", "20.00%"], ["10", "", "10.00%"]]


def test_shortest_paths():
    folder = WEIGHTS / "scnn-20.shortest-paths"
    scores = json.loads((folder / "record.json").read_text())["scores"]
    card = ModelCard.load(folder / "README.md")
    assert (card.data.pipeline_tag, card.data.datasets) == ("image-segmentation", None)
    assert {(r.dataset_config, r.metric_type): r.metric_value for r in card.data.eval_results} == {
        (f"phase {score['phase']}", score["metric"]): score["value"] for score in scores
    }
    assert len(scores) == 10
    assert "16x16 cells" in card.text
    assert "--data shortest-paths" in card.text


def test_little_is_known_of_a_plain_save():
    data, text = read()
    assert (data.license, data.eval_results, data.datasets, data.base_model) == (None, None, None, None)
    assert "Weights: not stated." in text
    assert "## Measured" not in text
    assert "## Training" not in text


@pytest.mark.parametrize(
    ("license", "identifier", "name"),
    [
        ("Apache-2.0", "apache-2.0", None),
        ("CC-BY-4.0", "cc-by-4.0", None),
        ("My own License 1.0", "other", "my-own-license-1.0"),
    ],
)
def test_licenses_by_the_hubs_identifiers(license, identifier, name):
    data, text = read(license=license)
    assert (data.license, data.license_name) == (identifier, name)
    assert f"Weights: {license}." in text


def test_other_data():
    data, text = read(dataset={"name": "pets"}, scores=[ACCURACY])
    assert (data.eval_results[0].dataset_type, data.datasets) == ("pets", None)
    assert "Data set, pets: not stated." in text
    assert "On 40 test images of pets:" in text


@pytest.mark.parametrize(
    ("action", "parent", "base", "relation"),
    [
        ("fold", "swrn-16-1-2.cifar10", "zoo/parent", None),
        ("quantize", "swrn-16-1-2.cifar10", "zoo/parent", "quantized"),
        ("grow", "swrn-16-1-2.pets", None, None),
        ("quantize", "no name of the zoo", None, None),
    ],
)
def test_the_parent_is_named_and_is_the_base_where_it_is_published(action, parent, base, relation):
    data, text = read(parent={"action": action, "checkpoint": parent, "threshold": 0.8})
    assert (data.base_model, data.get("base_model_relation")) == (base, relation)
    assert re.search(rf"from {re.escape(parent)}.* 0\.8", text)
    assert ("https://huggingface.co/zoo/parent" in text) is (base is not None)


def test_loading_from_where_it_is_published():
    files = {name: {"sha256": "ab" * 32, "bytes": 5} for name in KERAS_FILES}
    _, mine = read("user/net", files=files)
    assert 'recurzoo.load("hf://user/net")' in mine
    assert 'keras.saving.load_model("hf://user/net")' in mine
    assert f'recurzoo.load("{PLAIN["name"]}")' not in mine
    _, zoo = read("zoo/parent", name="swrn-16-1-2.cifar10", files=files)
    assert 'recurzoo.load("swrn-16-1-2.cifar10")' in zoo
    assert "hf://zoo/parent" in zoo
    _, elsewhere = read("user/parent", name="swrn-16-1-2.cifar10")
    assert 'recurzoo.load("swrn-16-1-2.cifar10")' not in elsewhere


def test_a_recipe_in_words():
    recipe = {
        "model": {"dropout": 0.3, "death_rate": 0, "unroll": True},
        "optimizer": {"kind": "muon", "learning_rate": 0.1, "momentum": 0.9, "clip_value": None},
        "schedule": {"kind": "steps", "epochs": [60, 120], "factor": 0.2},
        "label_smoothing": 0.1,
        "average": {"decay": 0.99, "last": 0.2},
        "progressive": {"kind": "resize", "sizes": [16, 24], "shares": [0.25, 0.5]},
        "augmentation": {"flip": "alternating", "crop": 4},
    }
    record = {"recipe": RECIPE | recipe, "epochs": 3, "precisions": {"float32": 1, "mixed_bfloat16": 2}}
    assert rows(read(**record, training_seconds=90.0)[1], "Training") == {
        "recipe": "mine",
        "epochs": "3",
        "epochs by precision": "1 in float32, 2 in mixed_bfloat16",
        "image size": "32",
        "model": "dropout 0.3, death_rate 0, unroll True",
        "batch size": "128",
        "seed": "0",
        "augmentation": "flip alternating, crop 4",
        "optimizer": "muon, learning rate 0.1, momentum 0.9, nesterov, kernel rate 0.05",
        "schedule": "steps, epochs 60/120, factor 0.2",
        "label smoothing": "0.1",
        "average": "decay 0.99, last 0.2",
        "progressive": "resize, sizes 16/24, shares 0.25/0.5",
        "time": "1.5 minutes",
    }


@pytest.mark.parametrize("average", [{"decay": 0.99, "last": 0.0}, {"decay": 0.0, "last": 0.5}])
def test_no_average_was_taken(average):
    assert "average" not in rows(read(recipe=RECIPE | {"average": average})[1], "Training")


def test_a_pull_is_told_of_relaxed_sharing():
    pull = {"kind": "success", "start": 0.1, "end": 1.0}
    for architecture, words in (
        ("resnet-24", None),
        ("resnet-24-relaxed-all", "success, start 0.1, end 1.0, factor 1.2, bound 0.1"),
    ):
        facts = {"architecture": architecture, "recipe": RECIPE | {"architecture": architecture, "pull": pull}}
        assert rows(read(**facts)[1], "Training").get("pull") == words


OTHER = {
    "learning_rate": 0.3,
    "momentum": 0.5,
    "nesterov": False,
    "weight_decay": 0.1,
    "clip_value": 0.2,
    "kernel_rate": 0.3,
    "epochs": (1, 2),
    "factor": 0.7,
    "warmup": 0.4,
}


def moved(recipe):
    """The weights that a recipe's optimizer reaches, by gradients that clipping and decay change."""
    optimizer = make_optimizer(recipe, 5)
    values = np.array([1.0, -2.0, 3.0, 0.5], "float32")
    weights = [keras.Variable(values, name=name) for name in ("gamma", "beta")]
    weights.append(keras.Variable(values.reshape(1, 1, 2, 2), name="kernel"))
    optimizer.build(weights)
    for step in range(3):
        gradient = np.array([0.5, -3.0, 0.01 * step, 0.1], "float32")
        optimizer.apply([keras.ops.convert_to_tensor(gradient.reshape(w.shape)) for w in weights], weights)
    return [keras.ops.convert_to_numpy(weight).tolist() for weight in weights]


@pytest.mark.parametrize("momentum", [0.9, 0.0])
@pytest.mark.parametrize("kind", ["sgd", "muon", "adam"])
def test_of_the_optimizer_the_card_tells_what_moves_the_weights(kind, momentum):
    start = TypeAdapter(Optimizer).validate_python({"kind": kind})
    if "momentum" in type(start).model_fields:
        start = start.replace(momentum=momentum)
    for name in sorted(set(type(start).model_fields) - {"kind"}):
        recipes = [Recipe(**RECIPE, optimizer=optimizer) for optimizer in (start, start.replace(**{name: OTHER[name]}))]
        words = [rows(read(recipe=recipe)[1], "Training")["optimizer"] for recipe in recipes]
        reached = [moved(recipe) for recipe in recipes]
        assert (words[0] != words[1]) is (reached[0] != reached[1]), name
        assert words[0].startswith(f"{kind}, learning rate ")


@pytest.mark.parametrize("start", [{"kind": "steps"}, {"kind": "steps", "epochs": [3]}, {"kind": "linear"}])
def test_of_the_schedule_the_card_tells_what_moves_the_rate(start):
    start = TypeAdapter(Schedule).validate_python(start)
    for name in sorted(set(type(start).model_fields) - {"kind"}):
        schedules = start, start.replace(**{name: OTHER[name]})
        words = [rows(read(recipe=Recipe(**RECIPE, schedule=it))[1], "Training")["schedule"] for it in schedules]
        rates = [[float(EpochSchedule(0.1, it, 6, 2)(step)) for step in range(12)] for it in schedules]
        assert (words[0] != words[1]) is (rates[0] != rates[1]), name


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=99).filter(str.strip)


@settings(max_examples=100, deadline=None)
@given(WORDS, WORDS, WORDS, st.floats(0, 1))
@example("\x1b[2J", "\x00", "|", 0.5)
@example("\x07", "```", "---", 0.5)
def test_no_text_of_a_record_breaks_the_card(name, source, license, accuracy):
    # No data set of the catalog has such a name.
    data = {"name": f"my {name}", "source": source, "license": license}
    score = ACCURACY | {"value": accuracy, "model": None}
    other = score | {"model": source}
    recipe = RECIPE | {"name": license, "model": {name: source}}
    facts = {"class_names": [name, source], "license": license, "hardware": name, "versions": {name: source}}
    _, text = read(name=name, dataset=data, scores=[score, other], recipe=recipe, **facts)
    matter = text.split("\n---\n")[0]
    index = yaml.safe_load(matter.removeprefix("---\n"))["model-index"][0]
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in " ".join(name.split()))
    assert index["name"] == shown
    assert index["results"][0]["dataset"]["name"] == f"my {shown}"
    assert index["results"][0]["metrics"][0]["value"] == accuracy
    # Every table keeps its columns, every section its place, and nothing but line ends controls a terminal.
    for heading in ("Facts", "Training"):
        table = text.partition(f"## {heading}\n\n")[2].partition("\n\n")[0]
        assert {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()} == {3}
    assert re.findall("^## (.*)$", text, re.MULTILINE) == [
        "Load",
        "Fine-tune",
        "Measured",
        "Facts",
        "Training",
        "Limits",
        "Licenses",
        "Citation",
    ]
    assert text.replace("\n", "").isprintable()
    code = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(code) == 2
    for block in code:
        compile(block, "card", "exec")


@pytest.mark.parametrize(
    "evil",
    ["![x](https://example.com/x.png)", "<script>alert(1)</script>", "`a` *b* [c](d)", "a|b", "\\\\|", "_a_"],
)
def test_markdown_in_a_record_is_shown_as_it_is(evil):
    _, text = read(hardware=evil, epochs=3)
    row = next(line for line in text.splitlines() if line.startswith("| hardware |"))
    special = re.sub(r"\\.", "", row.removeprefix("| hardware | ").removesuffix(" |"))
    assert not set(special) & set("`*[]<>|")


RUN = """
import re, sys
import numpy as np
load, tune = re.findall(r"```python\\n(.*?)```", open(sys.argv[1], encoding="utf-8").read(), re.DOTALL)
images, labels = np.zeros((2, 32, 32, 3), "uint8"), np.arange(2)
grids, paths = np.zeros((2, 16, 16, 2), "uint8"), np.zeros((2, 16, 16, 1))
exec(load)
assert np.isfinite(logits).all()
images = np.zeros((2, 64, 64, 3), "uint8")
exec(tune)
assert all(np.isfinite(weight).all() for weight in model.get_weights())
"""


@pytest.mark.slow
@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_the_code_in_a_card_runs(folder):
    done = subprocess.run([sys.executable, "-c", RUN, str(folder / "README.md")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
