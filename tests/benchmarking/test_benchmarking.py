"""Counting operations, intervals of medians, and the shape of a benchmark's report."""

import json

import numpy as np
import pytest

from recurzoo.benchmarking import BenchmarkReport, benchmark, benchmark_input, median_interval
from recurzoo.benchmarking.run import compare, take_turns
from recurzoo.cli.main import main
from recurzoo.models import SWRN


@pytest.mark.parametrize(
    # Ranks and coverage from the tables of the sign test (Conover, 1999, table A3).
    ("count", "rank", "coverage"),
    [(6, 1, 0.9688), (10, 2, 0.9785), (15, 4, 0.9648), (20, 6, 0.9586), (25, 8, 0.9567), (5, 1, 0.9375), (1, 1, 0.0)],
)
def test_a_medians_interval_has_the_tables_ranks(count, rank, coverage):
    shuffled = np.random.default_rng(0).permutation(np.arange(1, count + 1))
    interval = median_interval(shuffled)
    assert (interval.low, interval.high) == (rank, count + 1 - rank)
    assert interval.median == (count + 1) / 2
    assert interval.confidence == pytest.approx(coverage, abs=1e-4)


def test_turns_alternate_and_warm_up_is_not_timed():
    calls = []
    seconds = take_turns([lambda: calls.append("a"), lambda: calls.append("b")], 3, min_seconds=0.0)
    assert "".join(calls[-6:]) == "abbaab"
    assert seconds.shape == (2, 3)


def test_a_comparison_in_numbers():
    # A product of 8e9 operations in 2 s: 4e9 a second. A step of 10 images, 3 x 2 x 1e7 operations each, in 0.3 s: 2e9.
    seconds = np.array([[0.3, 0.3, 0.6], [0.2, 0.3, 0.3], [2.0, 2.0, 4.0]])
    found = compare("train", 10, [10_000_000, 20_000_000], seconds, 8e9)
    assert found.images_per_second == pytest.approx(10 / 0.3)
    assert found.share_of_peak.median == pytest.approx(0.5)
    assert found.against_share_of_peak.median == pytest.approx(1.5)
    assert (found.ratio.low, found.ratio.median, found.ratio.high) == pytest.approx((1, 1.5, 2))
    assert found.within_bound


@pytest.mark.parametrize(("slower", "status", "word"), [(1.04, 0, "held"), (1.06, 1, "EXCEEDED")])
def test_an_exceeded_bound_is_a_failure(slower, status, word, monkeypatch, capsys):
    comparisons = tuple(
        compare(task, 1, [1, 1], np.array([[ratio] * 20, [1.0] * 20, [1.0] * 20]), 1.0, 1.05)
        for task, ratio in {"train": slower, "predict": 1.0}.items()
    )
    facts = {"pairs": 20, "macs": 1, "against_macs": 1, "peak_gflops": 1.0, "hardware": "an abacus", "versions": {}}
    report = BenchmarkReport(model="a", against="b", **facts, comparisons=comparisons)
    assert report.failed == bool(status)
    monkeypatch.setattr("recurzoo.benchmarking.benchmark", lambda *words, bound: report)
    assert main(["benchmark", "a", "--against", "b", "--bound", "1.05"]) == status
    assert f"1.05 {word}" in capsys.readouterr().out


def test_decoding_is_timed_against_a_step():
    model = SWRN(16, 1, 1, input_shape=(8, 8, 3), name="shared")
    report = benchmark_input(model, batch=2, pairs=2, min_seconds=0.001)
    assert (report.model, report.batch, report.pairs) == ("shared", 2, 2)
    assert "500 x 375" in report.data
    assert report.ratio.low <= report.ratio.median <= report.ratio.high
    assert min(report.decoded_per_second, report.trained_per_second) > 0
    with pytest.raises(ValueError, match="batch=0"):
        benchmark_input(model, batch=0)


def test_a_benchmark_of_three_pairs():
    model = SWRN(16, 1, 1, input_shape=(8, 8, 3), name="shared")
    other = SWRN(16, 1, None, input_shape=(8, 8, 3), name="plain")
    weights = model.get_weights()
    report = benchmark(model, other, batch=2, pairs=3, min_seconds=0.001, matmul_size=64, bound=1.05)

    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert [(part.task, part.batch) for part in report.comparisons] == [
        ("train", 2),
        ("predict", 2),
        ("predict materialized", 1),
    ]
    for part in report.comparisons:
        assert part.ratio.low <= part.ratio.median <= part.ratio.high
        assert part.within_bound == (part.ratio.low <= part.bound)
        assert part.share_of_peak.median > 0
    assert report.macs == report.against_macs
    assert json.loads(json.dumps(report.to_dict()))["comparisons"][0]["bound"] == 1.05
    assert "shared against plain" in str(report)


def test_a_benchmark_of_one_network_has_no_ratios():
    report = benchmark(SWRN(10, 1, None, input_shape=(8, 8, 3)), batch=2, pairs=1, min_seconds=0, matmul_size=64)
    assert report.comparisons[0].ratio is None
    assert not report.failed
    assert "bound" not in str(report)


def test_a_benchmark_needs_images_and_pairs():
    with pytest.raises(ValueError, match="Received: batch=0, pairs=20"):
        benchmark(SWRN(10, 1, None), batch=0)
