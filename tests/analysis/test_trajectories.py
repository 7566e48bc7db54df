"""Trajectories, by NumPy's singular values."""

from __future__ import annotations

import numpy as np
import pytest

from recurzoo.analysis.reading import trajectory
from recurzoo.analysis.subject import Subject
from recurzoo.analysis.trajectories import measure_trajectories, principal_components, smoothness
from recurzoo.catalog.recipe import load_recipe
from recurzoo.models import SCNN


def test_principal_components_by_singular_values(rng):
    states = rng.normal(size=(4, 6, 10))
    points, explained = principal_components(states)
    centered = states.reshape(24, 10) - states.reshape(24, 10).mean(axis=0)
    u, s, _ = np.linalg.svd(centered, full_matrices=False)
    np.testing.assert_allclose(np.abs(points.reshape(24, 2)), np.abs(u[:, :2] * s[:2]), rtol=1e-6, atol=1e-9)
    assert explained == pytest.approx((s[:2] ** 2).sum() / (s**2).sum())


def test_a_straight_way_is_smooth_and_all_drift():
    way = np.arange(4.0)[:, None, None] * np.array([1.0, -2.0, 0.5])
    states = np.repeat(way, 5, axis=1) + np.arange(5.0)[None, :, None]
    assert smoothness(states) == pytest.approx(1)
    back_and_forth = np.array([0.0, 1.0, 0.0, 1.0])[:, None, None] * np.ones((1, 5, 3))
    assert smoothness(back_and_forth) == pytest.approx(-1)
    assert smoothness(states[:2]) is None
    assert smoothness(np.zeros((4, 5, 3))) is None


def test_stretches_of_one_shape_and_their_numbers(case):
    c = case("rc")
    found = measure_trajectories(Subject(c.model, c.data), images=7)
    names = ["input to cell_1/1", "cell_1_pool to cell_1/3", "downsampling to cell_2/1", "cell_2_pool to cell_2/3"]
    assert [track.name for track in found.tracks] == names
    assert (len(found.labels), found.examples) == (7, 7)
    states = {name: moment.features for name, moment in trajectory(c.model, c.images).items()}
    chosen = np.sort(np.random.default_rng(0).permutation(12)[:7])
    assert found.labels == tuple(c.labels[chosen])
    last = found.tracks[-1]
    pooled = states["cell_2/1"].reshape(12, 1, 2, 1, 2, 16).mean(axis=(2, 4))
    way = (states["cell_2/3"] - pooled)[chosen].reshape(7, -1).astype("float64")
    assert last.drift == pytest.approx((way.mean(axis=0) ** 2).sum() / (way**2).sum(axis=1).mean(), rel=1e-3)
    for version in ("unnormalized", "normalized"):
        assert np.array(last.points[version]).shape == (3, 7, 2)
    np.testing.assert_allclose(np.mean(last.points["normalized"], axis=1), 0, atol=1e-6)


def test_each_state_of_a_graph_has_a_trajectory(case):
    c = case("frnn")
    names = [track.name for track in measure_trajectories(Subject(c.model, c.data)).tracks]
    assert names == ["input to graph/0/2", "graph/1/0 to graph/1/2", "graph/2/0 to graph/2/3"]


def test_answers_by_pixel_have_none(rng):
    subject = Subject(SCNN(3, width=4, input_shape=(8, 8, 2)), "shortest-paths")
    # Few grids, as this network was never trained on more.
    subject.record = subject.record.replace(
        recipe=load_recipe("scnn-20.shortest-paths.small", ["curriculum.examples=5"])
    )
    with pytest.raises(ValueError, match="class each"):
        measure_trajectories(subject)
