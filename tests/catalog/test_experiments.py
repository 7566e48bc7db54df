"""Experiments: all of them name what there is."""

from __future__ import annotations

import pytest

from recurzoo.analysis.analyze import measure_of
from recurzoo.catalog import catalog
from recurzoo.catalog.experiments import SCALES, Experiment, expected_order, experiments, find_experiment, paper_errors

NAMES = sorted(experiments())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", SCALES)
def test_networks_exist_and_are_of_the_data(name, scale):
    experiment = experiments()[name]
    chosen = getattr(experiment, scale)
    for label, words in chosen.networks.items():
        runs = chosen.runs(label)
        assert {run.dataset for run in runs} <= {chosen.dataset or experiment.dataset}
        assert [run.seed for run in runs] in ([], list(range(chosen.seeds)))
        catalog.architecture(words.split(".")[0])
        # A table's rows are trained, and so is everything at the paper's scale but what is looked at untrained.
        assert runs or experiment.analysis


@pytest.mark.parametrize("name", NAMES)
def test_what_is_expected_is_of_the_networks(name):
    experiment = experiments()[name]
    for scale in SCALES:
        labels = list(getattr(experiment, scale).networks)
        order = expected_order(name, labels)
        assert order
        for side in (side for pair in order for side in pair if isinstance(side, str)):
            assert any(side == label or side.startswith((f"{label}:", f"{label}, phase")) for label in labels)
    if experiment.analysis:
        measure_of(experiment.analysis)


def test_a_tables_order_is_by_the_papers_errors():
    assert paper_errors("rc-table-2")["rc-4"] == 7.65
    assert expected_order("rc-table-2", ["rc-4", "rc-1", "mine", "rc-resnet-18"]) == [
        ("rc-1", "rc-4"),
        ("rc-1", "rc-resnet-18"),
        ("rc-4", "rc-resnet-18"),
    ]
    assert ("swrn-28-10", "swrn-28-10") not in expected_order("swrn-table-1", ["swrn-28-10", "wrn-28-10"])


def test_small_forms_fit_into_an_hour_and_are_fewer_than_the_papers():
    for experiment in experiments().values():
        small, paper = (sum(run.epochs for run in getattr(experiment, scale).all_runs) for scale in SCALES)
        assert small <= paper
        assert experiment.dataset == "shortest-paths" or small <= 30


@pytest.mark.parametrize("name", ["rc-table-9", "", "rc"])
def test_unknown_experiments(name):
    with pytest.raises(ValueError, match="Received"):
        find_experiment(name)


def test_an_experiment_trains_or_analyzes():
    scale = {"networks": {"a": "rc-4-w16.cifar10"}}
    with pytest.raises(ValueError, match="trains"):
        Experiment.from_dict({"title": "t", "source": "s", "dataset": "cifar10", "small": scale, "paper": scale})
