"""What sharing costs in time, measured against a network without it."""

from recurzoo.benchmarking.macs import macs
from recurzoo.benchmarking.report import BenchmarkReport, Comparison, median_interval
from recurzoo.benchmarking.run import benchmark

__all__ = ["BenchmarkReport", "Comparison", "benchmark", "macs", "median_interval"]
