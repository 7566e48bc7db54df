"""The defaults of models are the catalog's figures."""

import pytest

from recurzoo.catalog.catalog import dataset_facts
from recurzoo.families import channel_statistics


@pytest.mark.parametrize("name", ["cifar10", "imagenet"])
def test_models_normalise_as_the_catalog_says(name):
    facts = dataset_facts(name)
    mean, std = (getattr(channel_statistics, f"{name.upper()}_{figure}") for figure in ("MEAN", "STD"))
    assert (mean, std) == (facts.mean, facts.std)
