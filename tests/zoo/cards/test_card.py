"""Cards say what the record says, in words and in what the Hub's machines read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard
from hypothesis import given, settings
from hypothesis import strategies as st

from recurzoo.checkpoints.folder import read_record
from recurzoo.checkpoints.record import Record
from recurzoo.zoo.cards.card import write_card

WEIGHTS = Path(__file__).parents[3] / "weights"
SHIPPED = sorted(path.parent for path in WEIGHTS.glob("*/record.json"))
PLAIN = {"name": "swrn-16-1-2.mine", "architecture": "swrn-16-1-2"}
CIFAR = {"name": "cifar10", "note": "decoded from JPEG files", "licence": "none stated by its authors"}


def read(**record):
    """The card of a record: as the Hub's client reads it, and its text."""
    text = write_card(Record.from_dict(PLAIN | record))
    return ModelCard(text).data, text


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_shipped_cards_are_generated_from_their_records(folder):
    assert (folder / "README.md").read_text(encoding="utf-8") == write_card(read_record(folder))


def test_a_classifier():
    folder = WEIGHTS / "swrn-22-1-2.cifar10"
    facts = json.loads((folder / "record.json").read_text())
    card = ModelCard.load(folder / "README.md")
    assert (card.data.license, card.data.library_name) == ("apache-2.0", "keras")
    assert (card.data.pipeline_tag, card.data.datasets) == ("image-classification", ["uoft-cs/cifar10"])
    (result,) = card.data.eval_results
    assert (result.task_type, result.dataset_type, result.dataset_split) == (
        "image-classification",
        "uoft-cs/cifar10",
        "test",
    )
    assert (result.metric_type, result.metric_value) == ("accuracy", facts["metrics"]["test_accuracy"])
    assert "JPEG" in result.dataset_name
    text = card.text
    for told in (
        f"| {100 * facts['metrics']['test_accuracy']:.2f}% |",
        "recurzoo train swrn-22-1-2.cifar10.fast --data DATA",
        'recurzoo.load("swrn-22-1-2.cifar10")',
        "import recurzoo.models",
        "recurzoo.freeze(model)",
        "decoded from JPEG files: a lossy copy",
        "one run",
        "Weights: Apache-2.0",
        "none stated by its authors",
        "@inproceedings{savarese2019learning",
    ):
        assert told in text


def test_readout_times_have_a_table():
    ways = {f"test_accuracy_at_readout_{time}_reused": time / 20 for time in (10, 2)}
    _, text = read(metrics={"test_accuracy": 0.5, "test_accuracy_at_readout_2_recomputed": 0.3} | ways)
    assert "| 2 | 10.00% | 30.00% |\n| 10 | 50.00% |  |" in text
    assert "at readout" not in text


def test_shortest_paths():
    folder = WEIGHTS / "scnn-20.shortest-paths"
    metrics = json.loads((folder / "record.json").read_text())["metrics"]
    card = ModelCard.load(folder / "README.md")
    assert (card.data.pipeline_tag, card.data.datasets) == ("image-segmentation", None)
    told = {(result.dataset_config, result.metric_name): result.metric_value for result in card.data.eval_results}
    # The baseline's scores are not this model's.
    assert told == {
        (f"phase {phase}", name): metrics[f"{key}_phase_{phase}"]
        for phase in range(1, 6)
        for key, name in (
            ("test_f1", "Test F1"),
            ("test_f1_without_queries", "Test F1 without the query cells"),
        )
    }
    assert f"{metrics['cnn-20_test_f1_phase_5']:.4f}" in card.text
    assert "16x16 cells" in card.text


def test_little_is_known_of_a_plain_save():
    data, text = read()
    assert (data.license, data.eval_results, data.datasets) == (None, None, None)
    assert "Weights: not stated" in text
    assert "## Measured" not in text
    assert "## Training" not in text


@pytest.mark.parametrize("value", [None, True, "0.9", float("nan")])
def test_what_is_no_number_is_no_score(value):
    assert read(metrics={"test_accuracy": value})[0].eval_results is None


@pytest.mark.parametrize(
    ("licence", "identifier", "name"),
    [
        ("Apache-2.0", "apache-2.0", None),
        ("CC-BY-4.0", "cc-by-4.0", None),
        ("My own Licence 1.0", "other", "my-own-licence-1.0"),
    ],
)
def test_licences_by_the_hubs_identifiers(licence, identifier, name):
    data, text = read(licence=licence)
    assert (data.license, data.license_name) == (identifier, name)
    assert f"Weights: {licence}." in text


def test_other_data_and_how_a_model_was_folded():
    folded = {"from": "swrn-16-1-2.pets", "threshold": 0.8}
    data, text = read(dataset={"name": "pets"}, metrics={"test_accuracy": 0.5}, epochs=3, recipe={"folded": folded})
    assert data.eval_results[0].dataset_type == "pets"
    assert data.datasets is None
    assert "from swrn-16-1-2.pets, threshold 0.8" in text
    assert "data set, pets: not stated" in text.lower()


def test_loading_from_where_it_is_published():
    record = Record.from_dict(PLAIN)
    mine = write_card(record, "user/net")
    assert 'recurzoo.load("hf://user/net")' in mine
    assert 'keras.saving.load_model("hf://user/net")' in mine
    assert f'recurzoo.load("{PLAIN["name"]}")' not in mine
    zoo = write_card(record, f"recurzoo/{PLAIN['name']}")
    assert f'recurzoo.load("{PLAIN["name"]}")' in zoo
    assert f"hf://recurzoo/{PLAIN['name']}" in zoo


words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1).filter(str.strip)


@settings(max_examples=100, deadline=None)
@given(words, words, words, st.floats(0, 1))
def test_no_text_of_a_record_breaks_the_card(name, note, licence, accuracy):
    record = Record.from_dict(
        PLAIN
        | {"name": name, "dataset": CIFAR | {"note": note, "licence": licence}}
        | {"metrics": {"test_accuracy": accuracy}, "class_names": [name, note], "licence": licence}
    )
    text = write_card(record)
    matter = text.split("\n---\n")[0]
    index = yaml.safe_load(matter.removeprefix("---\n"))["model-index"][0]
    assert index["name"] == " ".join(name.split())
    assert index["results"][0]["dataset"]["name"] == " ".join(f"CIFAR-10 ({note})".split())
    assert index["results"][0]["metrics"][0]["value"] == accuracy
    rows = [line for line in text.splitlines() if line.startswith("| classes |")]
    assert len(rows) == 1
    assert rows[0].count("|") == 3


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
