"""The defaults of models are the catalog's figures."""

import pytest

from recurzoo.models import channel_statistics
from recurzoo.registry.catalog import dataset_facts


@pytest.mark.parametrize("name", ["cifar10", "imagenet"])
def test_models_normalise_as_the_catalog_says(name):
    facts = dataset_facts(name)
    mean, std = (getattr(channel_statistics, f"{name.upper()}_{figure}") for figure in ("MEAN", "STD"))
    assert (mean, std) == (facts.mean, facts.std)
