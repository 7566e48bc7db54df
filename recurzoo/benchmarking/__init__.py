"""What sharing costs in time, measured against a network without it, and whether images come fast enough."""

from recurzoo.benchmarking.pipeline import InputReport, benchmark_input
from recurzoo.benchmarking.report import BenchmarkReport, Comparison, median_interval
from recurzoo.benchmarking.run import benchmark
from recurzoo.layers.operations import macs

__all__ = ["BenchmarkReport", "Comparison", "InputReport", "benchmark", "benchmark_input", "macs", "median_interval"]
