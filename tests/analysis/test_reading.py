"""What a network's own head reads on the way."""

from __future__ import annotations

import numpy as np
import pytest

from recurzoo.analysis.reading import confidence, cross_entropy, entropy, predicted, trajectory
from recurzoo.rewriting.outputs import output_names


@pytest.mark.parametrize("family", ["swrn", "rc", "frnn"])
def test_a_trajectory_ends_in_the_networks_answer(family, case):
    c = case(family)
    states = trajectory(c.model, c.images, batch_size=5)
    assert list(states) == [name for name in output_names(c.model) if "/" in name]
    last = list(states.values())[-1]
    np.testing.assert_allclose(last.logits, c.logits, rtol=1e-3, atol=1e-3)
    assert last.features.shape[0] == len(c.images)
    exponentials = np.exp(last.logits.astype("float64"))
    p = exponentials / exponentials.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(last.confidence, p.max(axis=1), rtol=1e-6)
    np.testing.assert_allclose(last.entropy, -(p * np.log(p)).sum(axis=1), rtol=1e-5, atol=1e-9)


def test_only_what_the_head_fits_is_read(case):
    c = case("rc")
    readable = [name for name, moment in trajectory(c.model, c.images).items() if moment.logits is not None]
    assert readable == [f"cell_2/{step}" for step in range(4)]


def test_one_logit_is_one_of_two_classes():
    logits = np.array([[[[0.0]], [[2.0]]]])
    p = 1 / (1 + np.exp(-2.0))
    assert confidence(logits) == pytest.approx([(0.5 + p) / 2])
    assert entropy(logits) == pytest.approx([(np.log(2) - p * np.log(p) - (1 - p) * np.log(1 - p)) / 2])
    assert cross_entropy(logits, np.array([[[1], [0]]])) == pytest.approx([(np.log(2) - np.log(1 - p)) / 2])
    assert predicted(logits).tolist() == [[[0], [1]]]


def test_logits_of_any_size_have_probabilities():
    logits = np.array([[1e4, 0.0, -1e4]])
    assert confidence(logits) == [1.0]
    assert entropy(logits) == [0.0]
    assert np.isfinite(cross_entropy(logits, np.array([2])))
