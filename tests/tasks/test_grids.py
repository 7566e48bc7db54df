"""The generator of shortest paths against networkx, its shares of positives, its speed, and the scores."""

import time

import numpy as np
import pytest

from recurzoo.tasks.grids import PHASES, Grids, distances, f1_scores, generate_grids


def graph_of(networkx, obstacles):
    graph = networkx.grid_2d_graph(*obstacles.shape)
    graph.remove_nodes_from(map(tuple, np.argwhere(obstacles)))
    return graph


@pytest.mark.parametrize(("phase", "size"), [(1, 32), (3, 32), (5, 32), (2, 7), (4, 3)])
def test_targets_are_networkxs_shortest_paths(phase, size):
    networkx = pytest.importorskip("networkx")
    images, targets = generate_grids(25, phase, np.random.default_rng(phase), size)
    for image, target in zip(images, targets, strict=True):
        graph = graph_of(networkx, image[..., 1] > 0)
        start, goal = map(tuple, np.argwhere(image[..., 0]))
        on_paths = {cell for path in networkx.all_shortest_paths(graph, start, goal) for cell in path}
        assert on_paths == set(map(tuple, np.argwhere(target)))


def test_distances_are_networkxs_in_mazes(rng):
    networkx = pytest.importorskip("networkx")
    free = rng.random((12, 9, 14)) > 0.35
    free[:, 0, 0] = free[:, -1, -1] = True
    start, goal = np.zeros((12, 2), int), np.tile([8, 13], (12, 1))
    found = distances(free, start, goal)
    for grid, steps in zip(free, found, strict=True):
        lengths = networkx.single_source_shortest_path_length(graph_of(networkx, ~grid), (0, 0))
        # The search ends with the last goal of the batch; before, it misses nothing.
        for cell in np.ndindex(grid.shape):
            assert steps[cell] == lengths.get(cell, -1) or (steps[cell] == -1 and lengths[cell] > found[:, 8, 13].max())
        assert steps[8, 13] == lengths.get((8, 13), -1)


def test_grids_are_as_the_paper_describes_them():
    images, targets = generate_grids(600, 2, np.random.default_rng(0))
    assert images.dtype == "uint8"
    assert set(np.unique(images)) == {0, 255}
    queries, obstacles = images[..., 0] > 0, images[..., 1] > 0
    assert (queries.sum(axis=(1, 2)) == 2).all()
    assert not (queries & obstacles).any()
    assert not (targets & obstacles).any()
    assert (targets >= queries).all()
    cells = np.argwhere(queries).reshape(-1, 2, 3)[..., 1:]
    offsets = np.abs(cells[:, 0] - cells[:, 1])
    assert offsets.max() == 4
    assert obstacles.mean() == pytest.approx(0.1, abs=0.002)


def test_the_share_of_positives_grows_by_phase():
    shares = [
        100 * generate_grids(3000, phase, np.random.default_rng(phase)).targets.mean() for phase in range(1, PHASES + 1)
    ]
    assert shares == pytest.approx([0.46, 0.89, 1.43, 1.97, 2.71], rel=0.06)


def test_the_generator_is_a_function_of_its_seed():
    first, again, other = (generate_grids(40, 3, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.images, again.images)
    np.testing.assert_array_equal(first.targets, again.targets)
    assert not np.array_equal(first.images, other.images)


def test_it_draws_two_thousand_grids_a_second():
    generate_grids(10, 5, np.random.default_rng(0))
    start = time.process_time()
    generate_grids(2000, 5, np.random.default_rng(0))
    assert time.process_time() - start < 1


def test_scores_with_and_without_the_queries():
    images = np.zeros((1, 3, 3, 2), "uint8")
    images[0, 0, 0, 0] = images[0, 0, 2, 0] = 255
    targets = np.zeros((1, 3, 3), bool)
    targets[0, 0] = True
    logits = np.full((1, 3, 3, 1), -1.0)
    logits[0, 0, [0, 2]] = 1
    # Two of three right and nothing wrong; of the path between, nothing.
    assert f1_scores(logits, Grids(images, targets)) == {"f1": pytest.approx(0.8), "f1_without_queries": 0}
    logits[0, 0, 1] = logits[0, 1, 1] = 1
    scores = f1_scores(logits, Grids(images, targets))
    assert scores == {"f1": pytest.approx(6 / 7), "f1_without_queries": pytest.approx(2 / 3)}


@pytest.mark.parametrize("wrong", [{"count": 0}, {"phase": 0}, {"size": 1}])
def test_impossible_grids_are_refused(wrong):
    with pytest.raises(ValueError, match="Received: count="):
        generate_grids(**{"count": 1, "phase": 1, "rng": np.random.default_rng(0), **wrong})
