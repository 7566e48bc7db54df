"""Typed scores: which one compares a checkpoint, what they are called, and what a record refuses."""

from __future__ import annotations

import pytest

from recurzoo.checkpoints.record import Record, Score, headline
from recurzoo.tasks.words import classes_in_words, measured_on, score_in_words, tabulate

PLAIN = {"name": "x.y", "architecture": "swrn-16-1-2"}
ACCURACY = Score(metric="accuracy", value=0.5)
PATHS = tuple(
    Score(metric=metric, value=value, phase=phase, examples=40)
    for metric, value, phase in (
        ("f1", 0.9, 1),
        ("f1_without_queries", 0.99, 1),
        ("f1", 0.7, 2),
        ("f1_without_queries", 0.6, 2),
    )
)


def test_the_headline_is_the_plain_accuracy_or_the_last_phases_f1():
    others = [
        ACCURACY.replace(value=0.9, **change)
        for change in ({"split": "train"}, {"model": "relaxed"}, {"readout": 3}, {"statistics": "reused"})
    ]
    assert headline([*others, ACCURACY]) == ACCURACY
    assert headline(others) is None
    assert headline(PATHS) == PATHS[2]
    assert headline([ACCURACY.replace(value=None), Score(metric="loss", value=1.0)]) is None


def test_scores_under_equal_conditions_are_replaced():
    record = Record.from_dict(PLAIN | {"scores": [ACCURACY, *PATHS]})
    changed = record.with_scores(ACCURACY.replace(value=0.6), ACCURACY.replace(model="relaxed"))
    assert [score.value for score in changed.scores] == [*(score.value for score in PATHS), 0.6, 0.5]
    assert record.with_scores(ACCURACY.replace(fingerprint="ab" * 32)).scores[0] == ACCURACY


def test_scores_in_words():
    assert score_in_words(ACCURACY.replace(examples=10_000, value=2 / 3)) == "66.67% accuracy on 10,000 examples"
    assert score_in_words(PATHS[2]) == "0.7000 F1 in phase 2 on 40 examples"
    assert score_in_words(ACCURACY) == "50.00% accuracy"
    assert score_in_words(None) == "not measured"
    everything = {"split": "train", "model": "relaxed", "statistics": "reused", "seed": 1, "phase": 2, "readout": 3}
    title = ACCURACY.replace(**everything).title
    assert title == "accuracy, training examples, relaxed, statistics reused, seed 1 in phase 2 at readout time 3"


def test_tables_of_scores_are_in_order():
    readouts = [ACCURACY.replace(readout=time, statistics="reused", value=time / 20) for time in (10, 2)]
    assert tabulate([*readouts, ACCURACY, *reversed(PATHS)]) == {
        "": {"accuracy": {None: "50.00%"}},
        "phase": {
            "F1": {1: "0.9000", 2: "0.7000"},
            "F1 without the query cells": {1: "0.9900", 2: "0.6000"},
        },
        "readout time": {"accuracy, statistics reused": {2: "10.00%", 10: "50.00%"}},
    }
    assert list(tabulate(readouts)["readout time"]["accuracy, statistics reused"]) == [2, 10]


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({}, None),
        ({"dataset": {"name": "pets"}}, None),
        ({"scores": [ACCURACY]}, "test images of data that the record does not name"),
        ({"scores": [ACCURACY.replace(examples=1200)], "dataset": {"name": "pets"}}, "1,200 test images of pets"),
        ({"scores": [ACCURACY], "dataset": {"name": "cifar10"}}, "test images of CIFAR-10"),
        (
            {"scores": PATHS, "dataset": {"name": "shortest-paths"}},
            "40 unseen grids a phase of generated shortest paths",
        ),
    ],
)
def test_measured_on(facts, words):
    assert measured_on(Record.from_dict(PLAIN | facts)) == words


def test_classes_in_words():
    assert classes_in_words(["cat", "dog"]) == "cat, dog"
    assert classes_in_words([str(number) for number in range(20)]).endswith("18, 19")
    assert classes_in_words([str(number) for number in range(21)]) == "21"


@pytest.mark.parametrize(
    "facts",
    [
        {"scores": [{"metric": "accuracy", "value": "high"}]},
        {"scores": [{"metric": "accuracy", "value": float("nan")}]},
        {"scores": [{"metric": "accuracy", "value": 10**400}]},
        {"scores": [{"metric": "accuracy", "value": 0.5, "examples": 10**7 + 1}]},
        {"scores": [{"metric": "taste", "value": 0.5}]},
        {"metrics": {"test_accuracy": 0.5}},
        {"format": 2},
        {"files": {"a": {"sha256": "short", "bytes": 1}}},
    ],
)
def test_what_is_no_record_is_refused_in_a_sentence(facts):
    with pytest.raises(ValueError, match=r"Received: .*") as caught:
        Record.from_dict(PLAIN | facts)
    assert len(str(caught.value)) < 500
