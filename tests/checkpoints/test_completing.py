"""How a folded model shares its kernels, in words."""

from __future__ import annotations

import pytest

from recurzoo.checkpoints.completing import sharing_in_words
from recurzoo.sharing import SoftSharing, partly, tied, untied


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, ""),
        ({"stage_1": tied(3)}, "stage_1 has 1 kernel for 3 convolutions"),
        ({"stage_1": (partly([0, 1, 1, 0]),)}, "stage_1 has 2 kernels for 4 convolutions"),
        ({"stage_1": untied(1)}, "stage_1 has 1 kernel for 1 convolution"),
        ({"level_1": (tied(3), tied(3))}, "level_1 has 2 times 1 kernel for 3 convolutions"),
        (
            {"level_1": (tied(3), untied(3))},
            "level_1 has 1 kernel for 3 convolutions and 3 kernels for 3 convolutions",
        ),
        (
            {"a": tied(3), "b": [tied(3)], "c": tied(2), "d": tied(3)},
            "a, b and d each have 1 kernel for 3 convolutions; c has 1 kernel for 2 convolutions",
        ),
        # Which kernel a convolution has is not in the words, so these are equal in words.
        (
            {"a": (partly([0, 0, 1]), partly([0, 1, 1]))},
            "a has 2 times 2 kernels for 3 convolutions",
        ),
    ],
)
def test_equal_banks_are_named_once(changed, words):
    assert sharing_in_words(changed) == words


def test_a_bank_that_was_not_folded():
    assert sharing_in_words({"a": (SoftSharing(2), tied(2))}) == "a has 2 templates and 1 kernel for 2 convolutions"
