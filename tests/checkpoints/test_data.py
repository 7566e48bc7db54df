"""What a checkpoint was measured on, in words."""

from __future__ import annotations

import pytest

from recurzoo.checkpoints.data import classes_in_words, measured_on
from recurzoo.checkpoints.record import Record

PATHS = {"dataset": {"name": "shortest-paths"}, "recipe": {"image_size": 16}}
SCORE = {"test_accuracy": 0.5}


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({}, None),
        ({"metrics": {"test_images": 7}, "dataset": {"name": "pets"}}, None),
        ({"metrics": SCORE}, "data that the record does not name"),
        ({"metrics": SCORE | {"test_images": 1200}, "dataset": {"name": "pets"}}, "1,200 test images of pets"),
        ({"metrics": SCORE | {"test_images": "many"}, "dataset": {"name": "pets"}}, "pets"),
        ({"metrics": SCORE, "dataset": {"name": "cifar10", "note": "halved"}}, "CIFAR-10 (halved)"),
        (
            PATHS | {"metrics": {"test_f1_phase_1": 0.5, "test_grids_a_phase": 30}},
            "shortest paths on generated grids of 16x16 cells that training never saw, 30 a phase",
        ),
    ],
)
def test_measured_on(facts, words):
    assert measured_on(Record.from_dict({"name": "x.y", "architecture": "swrn-16-1-2"} | facts)) == words


def test_classes_in_words():
    assert classes_in_words(["cat", "dog"]) == "cat, dog"
    assert classes_in_words([str(number) for number in range(20)]).endswith("18, 19")
    assert classes_in_words([str(number) for number in range(21)]) == "21"
