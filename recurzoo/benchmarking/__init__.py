"""What sharing costs in time, measured against a network without it."""

from recurzoo.benchmarking.report import BenchmarkReport, Comparison, median_interval
from recurzoo.benchmarking.run import benchmark
from recurzoo.layers.operations import macs

__all__ = ["BenchmarkReport", "Comparison", "benchmark", "macs", "median_interval"]
