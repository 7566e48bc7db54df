"""Readout times that were not trained, of graphs of states and of stages."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from recurzoo.analysis.reading import trajectory
from recurzoo.analysis.readout import measure_readout, read_at, statistics_over_time
from recurzoo.analysis.subject import Subject
from recurzoo.models import FRNN, RC, SWRN
from recurzoo.rewriting import reestimate_batch_norm
from recurzoo.rewriting.steps import Steps
from tests.support.networks import SMALL


def test_earlier_times_are_the_states_on_the_way(case, accuracy):
    c = case("frnn", 40)
    found = measure_readout(Subject(c.model, c.data), [2, 3, 4, 5], ["reused"], input_until=2)
    assert found.trained == 5
    moments = [moment for moment in trajectory(c.model, c.images).values() if moment.logits is not None]
    reused = [reading for reading in found.readings if reading.input_until is None]
    assert [reading.time for reading in reused] == [2, 3, 4, 5]
    for reading, moment in zip(reused, moments, strict=True):
        assert reading.score == pytest.approx(accuracy(moment.logits, c.labels), abs=1.01 / 40)
        assert reading.confidence == pytest.approx(moment.confidence.mean(), abs=1e-4)
        assert reading.entropy == pytest.approx(moment.entropy.mean(), abs=1e-4)
    off = [reading for reading in found.readings if reading.input_until == 2]
    assert [reading.time for reading in off] == [2, 3, 4, 5]
    # Before it is switched off, nothing changes.
    assert [reading.entropy for reading in off[:2]] == pytest.approx([reading.entropy for reading in reused[:2]])
    network = Steps(c.model)
    graph = c.model.get_layer("graph")
    states = network.through(network.body[:-2], ops.convert_to_tensor(c.images.astype("float32")))
    kernels = graph.kernels()
    for update in (2, 3):
        states = {**states, **({0: 0 * states[0]} if 0 in states else {})}
        states = graph.run_update(states, update, kernels)
    logits = ops.convert_to_numpy(network.read_out(states[2])).astype("float64")
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert off[-1].confidence == pytest.approx(p.max(axis=1).mean(), abs=1e-4)


def test_statistics_recomputed(case):
    c = case("frnn", 40)
    found = measure_readout(Subject(c.model, c.data), [6], ["recomputed"])
    later = c.model.with_readout(6)
    # As a checkpoint without a recipe is trained: on the images as they are.
    reestimate_batch_norm(later, c.images)
    expected = np.mean(ops.convert_to_numpy(later(c.images.astype("float32"))).argmax(axis=1) == c.labels)
    assert found.readings[0].score == pytest.approx(expected, abs=1.01 / 40)
    [score] = found.scores()
    assert (score.readout, score.statistics, score.examples, score.metric) == (6, "recomputed", 40, "accuracy")


def test_stages_take_fewer_steps_or_more(case):
    c = case("rc")
    before = c.model.get_weights()
    moments = trajectory(c.model, c.images)
    earlier = read_at(c.model, 3)
    images = c.images.astype("float32")
    np.testing.assert_allclose(ops.convert_to_numpy(earlier(images)), moments["cell_2/2"].logits, rtol=1e-3, atol=1e-3)
    later = read_at(c.model, 6)
    network = Steps(c.model)
    state = network.through(network.body, ops.convert_to_tensor(images))
    last = c.model.get_layer("cell_2")
    for step in (4, 5):
        state = last.run_step(state, step, last.kernels()(step))
    expected = ops.convert_to_numpy(network.read_out(state))
    np.testing.assert_allclose(ops.convert_to_numpy(later(images)), expected, rtol=1e-3, atol=1e-3)
    # With weights of their own.
    reestimate_batch_norm(later, c.images)
    for value, weight in zip(before, c.model.get_weights(), strict=True):
        np.testing.assert_array_equal(value, weight)


def test_times_end_where_the_weights_do(case):
    c = case("swrn")
    # The last stage has one step, of a kernel of its own.
    assert [one.time for one in measure_readout(Subject(c.model, c.data), None, ["reused"]).readings] == [1]
    with pytest.raises(ValueError, match="steps=2"):
        measure_readout(Subject(c.model, c.data), [1, 2], ["reused"])
    with pytest.raises(ValueError, match="input_until=1"):
        measure_readout(Subject(c.model, c.data), [1], ["reused"], input_until=1)
    independent = FRNN(((8, 4), (4, 8)), readout=4, weights="independent", prenet=1, **SMALL)
    with pytest.raises(ValueError, match="end with the last update"):
        measure_readout(Subject(independent, c.data), [4, 5], ["reused"])


def test_statistics_over_time(randomize):
    model = randomize(RC(3, 4, **SMALL))
    found = {one.name: one.values for one in statistics_over_time(model)}
    assert sorted(found) == [f"cell_{cell}/bn{site}" for cell in (1, 2) for site in (1, 2)]
    table = ops.convert_to_numpy(model.get_layer("cell_2").normalizations["bn1"].gamma)
    np.testing.assert_array_equal(found["cell_2/bn1"]["gamma"], table)
    assert set(found["cell_1/bn2"]) == {"mean", "variance", "gamma", "beta"}
    shared = FRNN(((8, 4), (4, 8)), readout=4, normalization="shared_affine", prenet=1, **SMALL)
    assert {frozenset(one.values) for one in statistics_over_time(shared)} == {frozenset({"mean", "variance"})}
    assert not statistics_over_time(SWRN(16, 1, 2, **SMALL))
