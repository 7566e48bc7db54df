"""Grouping by similarity, and the loops found in a row of steps."""

import numpy as np
import pytest
from keras import ops

from recurzoo.sharing import Loop, absolute_cosines, find_loops, group_by_similarity
from tests.support import numpy_layers


def test_absolute_cosines_match_the_formula_and_ignore_sign_and_scale(rng):
    vectors = rng.normal(size=(5, 7)).astype("float32")
    found = ops.convert_to_numpy(absolute_cosines(vectors))
    np.testing.assert_allclose(found, numpy_layers.similarity(vectors), atol=1e-6)
    scaled = vectors * np.array([[1], [-2], [0.1], [-30], [5]], "float32")
    np.testing.assert_allclose(ops.convert_to_numpy(absolute_cosines(scaled)), found, atol=1e-6)


def test_a_row_of_zeros_is_similar_to_nothing():
    found = ops.convert_to_numpy(absolute_cosines(np.array([[0.0, 0.0], [1.0, 0.0]], "float32")))
    np.testing.assert_array_equal(found, [[0, 0], [0, 1]])


def test_slots_join_the_most_similar_leader():
    similarity = np.array(
        [
            [1.0, 0.2, 0.8, 0.7],
            [0.2, 1.0, 0.9, 0.1],
            [0.8, 0.9, 1.0, 0.9],
            [0.7, 0.1, 0.9, 1.0],
        ]
    )
    # Slot 3 is close to 2, but 2 leads no group: no chains.
    assert group_by_similarity(similarity, 0.75) == (0, 1, 1, 3)
    assert group_by_similarity(similarity, 0.7) == (0, 1, 1, 0)
    assert group_by_similarity(similarity, 1.0) == (0, 1, 2, 3)


@pytest.mark.parametrize("threshold", [-0.1, 1.1])
def test_a_threshold_lies_between_zero_and_one(threshold):
    with pytest.raises(ValueError, match="Received: threshold="):
        group_by_similarity(np.eye(2), threshold)


@pytest.mark.parametrize(
    ("steps", "loops"),
    [
        ("", []),
        ("a", [(0, 1, 1)]),
        ("aaaa", [(0, 1, 4)]),
        ("abab", [(0, 2, 2)]),
        ("abababa", [(0, 2, 3), (6, 1, 1)]),
        ("abcddd", [(0, 1, 1), (1, 1, 1), (2, 1, 1), (3, 1, 3)]),
        ("aabaab", [(0, 3, 2)]),
        ("abcabcabc", [(0, 3, 3)]),
    ],
)
def test_loops_of_known_patterns(steps, loops):
    assert find_loops(steps) == [Loop(*loop) for loop in loops]


def test_loops_cover_every_step_once_and_repeat_what_they_say(rng):
    for _ in range(50):
        steps = rng.integers(0, 3, size=rng.integers(1, 15)).tolist()
        covered = [
            loop.start + offset
            for loop in find_loops(steps)
            for _ in range(loop.repeats)
            for offset in range(loop.period)
        ]
        assert [steps[i] for i in covered] == steps
