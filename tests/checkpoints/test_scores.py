"""A record's scores are found under their names, and told apart from everything else there."""

from __future__ import annotations

import math

import pytest

from recurzoo.checkpoints.scores import Headline, Score, describe, headline, others, readouts, rounded, scores

PATHS = {
    "test_f1_phase_1": 0.9,
    "test_f1_without_queries_phase_1": 0.8,
    "test_f1_phase_2": 0.7,
    "test_f1_without_queries_phase_2": 0.6,
    "test_grids_a_phase": 40,
    "cnn-20_test_f1_phase_1": 0.5,
    "cnn-20_test_f1_phase_2": 0.4,
    "cnn-20_test_grids_a_phase": 30,
}
IMAGES = {
    "test_accuracy": 0.83,
    "test_loss": 0.5,
    "test_images": 10000,
    "test_fingerprint": "ab",
    "test_accuracy_at_readout_10_reused": 0.2,
    "test_accuracy_at_readout_2_recomputed": 0.4,
    "test_accuracy_at_readout_2_reused": 0.3,
    "largest_angle_to_mean": 0.1,
}


def test_of_images():
    assert scores(IMAGES) == [Score("accuracy", "Test accuracy", 0.83)]
    assert headline(IMAGES) == Headline("test accuracy", 0.83, 10000)
    assert others(IMAGES) == {"test_loss": 0.5, "largest_angle_to_mean": 0.1}


def test_of_paths_and_the_baseline():
    assert [score[2:] for score in scores(PATHS)] == [(0.9, 1), (0.8, 1), (0.7, 2), (0.6, 2)]
    assert [score[2:] for score in scores(PATHS, of="cnn-20")] == [(0.5, 1), (0.4, 2)]
    assert headline(PATHS) == Headline("F1 in phase 2", 0.7, 40)
    assert headline(PATHS, of="cnn-20") == Headline("F1 in phase 2", 0.4, 30)
    assert others(PATHS, baseline="cnn-20") == {}


def test_figures_in_words():
    assert describe(headline(IMAGES)) == "83.00% of 10,000 images"
    assert describe(headline(PATHS)) == "0.700 F1 in phase 2, 40 grids"
    assert describe(headline({"test_accuracy": 0.5})) == "50.00%"
    assert describe(headline({"test_f1_phase_3": 0.25})) == "0.250 F1 in phase 3"
    assert describe(headline({})) == "not measured"
    assert [score.rounded for score in scores({"test_accuracy": 2 / 3, "test_f1_phase_1": 2 / 3})] == [
        "66.67%",
        "0.6667",
    ]
    assert rounded("relaxed_test_accuracy", 2 / 3) == "66.67%"
    assert [rounded("x", value) for value in (2 / 3, 12, "word", None)] == ["0.6667", "12", "word", ""]


def test_readouts_are_in_order_of_time():
    assert list(readouts(IMAGES).items()) == [(2, {"recomputed": 0.4, "reused": 0.3}), (10, {"reused": 0.2})]
    assert readouts(PATHS) == {}


@pytest.mark.parametrize("value", [math.nan, math.inf, "0.9", True, None])
def test_a_score_is_a_finite_number(value):
    assert scores({"test_accuracy": value}) == []
    assert describe(headline({"test_accuracy": value, "test_images": value})) == "not measured"
    assert readouts({"test_accuracy_at_readout_2_reused": value}) == {}


def test_names_that_are_nearly_a_score():
    odd = {f"test_f1_phase_{'9' * 5000}": 1.0, "test_f1_phase_": 1.0, "test_accuracy_at_readout_x_reused": 1.0}
    assert (scores(odd), headline(odd), readouts(odd), others(odd)) == ([], None, {}, odd)
