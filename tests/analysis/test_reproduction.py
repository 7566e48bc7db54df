"""Experiments that run: what is done is not done again, and the outcome is that of the runs and analyses."""

from __future__ import annotations

import json

import numpy as np
import pytest

from recurzoo.analysis import reproduction
from recurzoo.analysis.reproduction import reproduce
from recurzoo.catalog import experiments
from recurzoo.catalog.experiments import Experiment
from recurzoo.zoo.loading import load

TINY = "curriculum.phases=2 curriculum.examples=8 curriculum.test_examples=8 image_size=8 epochs=2 batch_size=4"


@pytest.fixture
def tiny(monkeypatch):
    """One experiment of two networks for shortest paths, two seeds each."""
    scale = {
        "seeds": 2,
        "changes": TINY.split(),
        "networks": {"cnn": "cnn-20.shortest-paths.small", "scnn": "scnn-20.shortest-paths.small"},
    }
    experiment = Experiment.from_dict(
        {
            "title": "Tiny.",
            "source": "figure 5",
            "dataset": "shortest-paths",
            "expected": [["scnn, phase 1", "cnn, phase 1"], ["cnn, phase 2", 2]],
            "small": scale,
            "paper": scale,
        }
    )
    for module in (experiments, reproduction):
        monkeypatch.setattr(module, "find_experiment", lambda name: experiment)
    return experiment


def test_runs_are_trained_once_and_their_means_compared(tiny, tmp_path, monkeypatch):
    outcome = reproduce("scnn-tiny", out=tmp_path)
    records = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("runs/*/*/record.json"))]
    assert len(records) == 4
    assert outcome.epochs == 8
    f1 = {
        (record["architecture"], score["phase"]): []
        for record in records
        for score in record["scores"]
        if score["metric"] == "f1"
    }
    for record in records:
        for score in record["scores"]:
            if score["metric"] == "f1":
                f1[record["architecture"], score["phase"]].append(score["value"])
    values = {value.name: value for value in outcome.values}
    assert set(values) == {"cnn, phase 1", "cnn, phase 2", "scnn, phase 1", "scnn, phase 2"}
    for (architecture, phase), found in f1.items():
        value = values[f"{architecture.removesuffix('-20')}, phase {phase}"]
        assert value.runs == 2
        assert value.mean == pytest.approx(np.mean(found))
        assert value.spread == pytest.approx(np.std(found, ddof=1))
    first, second = outcome.order
    assert first.kept is (values["scnn, phase 1"].mean > values["cnn, phase 1"].mean)
    assert second.kept is False
    page = (tmp_path / "scnn-tiny.small" / "README.md").read_text()
    assert outcome.verdict in page
    assert f"{values['cnn, phase 2'].mean:.4g}" in page
    assert str(tmp_path) not in page

    def refuse(*_, **__):
        raise AssertionError("trained again")

    monkeypatch.setattr("recurzoo.training.run.train", refuse)
    assert reproduce("scnn-tiny", out=tmp_path).values == outcome.values


def test_an_analysis_of_what_ships(tmp_path):
    outcome = reproduce("swrn-figure-4", out=tmp_path)
    values = {value.name: value.mean for value in outcome.values}
    matrices = [bank.similarity() for stage in load("swrn-22-1-2").stages for bank in stage.banks if bank.slots > 1]
    for distance in (1, 2):
        expected = np.mean([np.diagonal(matrix, distance) for matrix in matrices])
        assert values[f"network: similarity of layers {distance} apart"] == pytest.approx(expected, rel=1e-5)
    for figure in outcome.figures:
        assert (tmp_path / "swrn-figure-4.small" / figure).is_file()
    record = tmp_path / "swrn-figure-4.small" / "network" / "similarity.json"
    written = record.stat().st_mtime_ns
    assert reproduce("swrn-figure-4", out=tmp_path) == outcome
    assert record.stat().st_mtime_ns == written
    # Of other weights it would be another one.
    stale = json.loads(record.read_text()) | {"weights": "0" * 64}
    stale["banks"][0]["matrices"][-1] = [[0.5] * 4] * 4
    record.write_text(json.dumps(stale))
    assert reproduce("swrn-figure-4", out=tmp_path) == outcome


def test_without_a_name_a_list_of_all():
    assert {name.partition("-")[0] for name in reproduce().experiments} == {
        *("swrn", "scnn", "rc", "frnn", "preresnet", "relaxed")
    }


def test_a_scale_that_is_not(tmp_path):
    with pytest.raises(ValueError, match="huge"):
        reproduce("swrn-figure-4", scale="huge", out=tmp_path)
