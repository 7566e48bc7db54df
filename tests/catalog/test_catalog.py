"""What the catalog says, against the published figures and against the networks themselves."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from recurzoo.catalog import catalog
from recurzoo.checkpoints.record import Record, Score
from recurzoo.zoo.listing import info, list_models

# Counts checked against the authors' code.
PUBLISHED = {
    "wrn-28-10": 36479194,
    "swrn-28-10-1": 12287212,
    "swrn-28-10-2": 17125630,
    "swrn-28-10-4": 26802466,
    "swrn-28-10": 36479302,
    "swrn-16-1-2": 175078,
    "wrn-28-2": 1467610,
    "swrn-28-14-2": 33537790,
    "swrn-28-14": 71470918,
    "swrn-28-18-2": 55414014,
    "swrn-28-18": 118119750,
    "swrn-40-8-8": 29555402,
    "swrn-28-2-2": 693502,
    "swrn-16-4-2": 2748902,
    "wrn-50-2": 68883240,
}

COUNT = """
import importlib, json, keras
from recurzoo.catalog import catalog
from recurzoo.families.counting import count_parameters

counts = {}
for name in catalog.architecture_names():
    read = catalog.architecture(name)
    module, _, model = read.model.partition(":")
    classes = catalog.architecture_facts(name).classes
    # Shapes without values: the largest would take half a gigabyte.
    with keras.StatelessScope(initialize_variables=False):
        network = getattr(importlib.import_module(module), model)(**read.arguments, num_classes=classes)
    counts[name] = count_parameters(network), count_parameters(network, consolidated=True)
print("COUNTS" + json.dumps(counts))
"""


@pytest.fixture(autouse=True)
def _no_weights(monkeypatch, tmp_path):
    monkeypatch.setattr("recurzoo.zoo.finding.PACKAGE", tmp_path / "recurzoo")


def test_published_counts_are_catalogued():
    facts = {name: catalog.architecture_facts(name) for name in PUBLISHED}
    assert {name: fact.parameters for name, fact in facts.items()} == PUBLISHED


def test_every_catalogued_network_has_its_count():
    output = subprocess.run(
        [sys.executable, "-c", COUNT], capture_output=True, text=True, check=True, env={**os.environ}
    ).stdout
    counted = json.loads(output.partition("COUNTS")[2])
    facts = {name: catalog.architecture_facts(name) for name in catalog.architecture_names()}
    assert {name: count for name, (count, _) in counted.items()} == {
        name: fact.training_parameters or fact.parameters for name, fact in facts.items()
    }
    assert {name: count for name, (_, count) in counted.items()} == {name: f.parameters for name, f in facts.items()}
    assert len(counted) >= len(PUBLISHED)


def test_figures_are_the_papers():
    dropout, cutout = catalog.figures("swrn-28-10-2")
    assert dropout.errors == {"cifar10": 3.75, "cifar100": 18.66}
    assert "dropout 0.3" in dropout.training
    assert dropout.runs == 5
    assert dropout.training_in_words == f"{dropout.training}, mean of 5 runs"
    assert cutout.errors == {"cifar10": 2.69}
    assert catalog.figures("swrn-50-2")[0].errors == {"imagenet": 21.74, "imagenet_top5": 5.95}
    (relaxed,) = catalog.figures("resnet-24-relaxed-all")
    assert relaxed.training_in_words == relaxed.training


def test_every_figure_is_of_a_catalogued_network():
    for family in catalog.families().values():
        for table in family.figures:
            assert {row["architecture"] for row in table.errors} <= set(family.architectures)


def test_data_sets():
    cifar10 = catalog.dataset_facts("cifar10")
    assert [255 * value for value in cifar10.mean] == pytest.approx([125.3, 123.0, 113.9])
    assert [255 * value for value in cifar10.std] == pytest.approx([63.0, 62.1, 66.7])
    cifar100 = catalog.dataset_facts("cifar100")
    assert [255 * value for value in cifar100.mean] == pytest.approx([129.3, 124.1, 112.4])
    assert [255 * value for value in cifar100.std] == pytest.approx([68.2, 65.4, 70.4])
    assert catalog.dataset_facts("imagenet").classes == 1000
    assert catalog.dataset_facts("mine") is None


def test_a_family_tells_its_idea_in_five_sentences():
    for family in catalog.families().values():
        assert len(re.findall(r"\.(?=\s|$)", family.idea)) == 5
        assert family.title


def test_default_tags():
    assert catalog.default_tag("swrn-22-1-2") == "cifar10"
    assert catalog.default_tag("swrn-50-2") == "imagenet"


def test_recipes_are_found_by_architecture():
    assert "swrn-28-10-2.cifar10.paper" in catalog.recipe_names("swrn-28-10-2")
    assert not any(name.startswith("swrn-28-10-2.") for name in catalog.recipe_names("swrn-28-10"))


def test_listing():
    assert list_models() == sorted(list_models())
    assert "swrn-28-10-2" in list_models("swrn-*")
    assert not any(name.startswith("wrn") for name in list_models("swrn-*"))
    assert list_models(pretrained=True) == []
    assert list_models(pretrained=False) == list_models()
    assert list_models("*.cifar10") == []


def test_info_of_a_catalogued_architecture():
    told = info("swrn-28-10-2")
    assert (told.parameters, told.training_parameters, told.classes) == (17125630, 17125630, 10)
    assert told.sharing == "soft: 6 convolutions a stage share 2 templates"
    assert (told.weights, told.checkpoint, told.scores) == ((), None, ())
    assert told.paper.year == 2019
    assert told.licenses == {"code": "Apache-2.0"}
    with pytest.raises(ValueError, match="frozen"):
        told.parameters = 0


def test_info_counts_what_is_not_catalogued():
    # One template of stage 1 to 3 more or less, as in swrn-22-1-1 and -2, and one row of coefficients.
    step = 175538 - 127142
    assert info("swrn-22-1-3").parameters == 175538 + step


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"name": "a"}, "architecture"),
        ({"name": "a", "architecture": "b", "seeds": 1}, "seeds"),
        ({"name": "a", "architecture": "b", "parameters": "many"}, "many"),
        ({"name": "a", "architecture": "b", "dataset": {"nmae": "x"}}, "dataset.nmae"),
    ],
)
def test_a_record_refuses_what_it_does_not_know(values, told):
    with pytest.raises(ValueError, match=told):
        Record.from_dict(values)


def test_a_record_survives_json():
    scores = (Score(metric="accuracy", value=0.5),)
    record = Record(name="a.b", architecture="a", class_names=("x", "y"), scores=scores)
    assert Record.from_dict(json.loads(record.to_json())) == record
    with pytest.raises(ValueError, match="finite"):
        Score(metric="loss", value=float("nan"))
