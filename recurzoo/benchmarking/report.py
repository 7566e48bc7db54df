"""What a benchmark found, as medians with their intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table

from recurzoo.base.optional import import_optional
from recurzoo.base.records import FrozenModel, Report


class Median(FrozenModel):
    """A median, and an interval that holds the true one with a stated probability, whatever the distribution.

    Attributes:
        median: float.
        low, high: floats, the interval's ends.
        confidence: float, the probability.
    """

    median: float
    low: float
    high: float
    confidence: float

    def __str__(self) -> str:
        return f"{self.median:.3f} ({self.low:.3f} to {self.high:.3f})"


def median_interval(values: Sequence[float], confidence: float = 0.95) -> Median:
    """The median and its sign-test interval: two order statistics, whose ranks the binomial distribution gives.

    Args:
        values: independent measurements.
        confidence: float, the probability wanted. Fewer than six values cannot reach 0.95; the interval is then the
            whole range.

    Returns:
        A `Median`, with the probability reached.

    Raises:
        ValueError: if there are no values.
    """
    binom = import_optional("scipy.stats", "recurzoo[benchmark]").binom

    ordered = np.sort(np.asarray(values, "float64"))
    count = len(ordered)
    if not count:
        raise ValueError("A median needs at least one value. Received: none")
    rank = max(int(binom.ppf((1 - confidence) / 2, count, 0.5)), 1)
    reached = float(1 - 2 * binom.cdf(rank - 1, count, 0.5))
    return Median(
        median=float(np.median(ordered)), low=float(ordered[rank - 1]), high=float(ordered[-rank]), confidence=reached
    )


class Comparison(FrozenModel):
    """One task, timed turn by turn for both networks and a matrix product.

    Attributes:
        task: `"train"` (a training step), `"predict"`, or `"predict materialized"`.
        batch: images a call.
        images_per_second: median.
        share_of_peak: the network's floating-point operations a second over those of a large matrix product.
        against_images_per_second, against_share_of_peak: the same of the other network; None without one.
        ratio: the network's time over the other's; None without one.
        bound: what the lower end of the ratio's interval should not exceed.
    """

    task: str
    batch: int
    images_per_second: float
    share_of_peak: Median
    against_images_per_second: float | None = None
    against_share_of_peak: Median | None = None
    ratio: Median | None = None
    bound: float | None = None

    @property
    def within_bound(self) -> bool:
        """Whether nothing speaks against the bound."""
        return self.ratio is None or self.bound is None or self.ratio.low <= self.bound


class BenchmarkReport(Report):
    """How fast a network trains and predicts, and how that compares.

    Attributes:
        model, against: names; `against` is None without a second network.
        pairs: how many times each was timed, in turns.
        macs, against_macs: multiply-accumulates an image.
        peak_gflops: median rate of a large matrix product in the same run, 1e9 floating-point operations a second.
        hardware: the machine.
        versions: dict from each package that matters to its version.
        comparisons: a `Comparison` for each task.
    """

    model: str
    against: str | None
    pairs: int
    macs: int
    against_macs: int | None
    peak_gflops: float
    hardware: str
    versions: dict[str, str]
    comparisons: tuple[Comparison, ...]

    @property
    def failed(self) -> bool:
        """Whether a ratio exceeds its bound."""
        return not all(comparison.within_bound for comparison in self.comparisons)

    def __rich__(self) -> RenderableType:
        table = Table("task", "batch", "images/s", "share of peak", title=self.model, caption=self.hardware)
        if self.against is not None:
            table.title = f"{self.model} against {self.against}"
            bounded = any(comparison.bound is not None for comparison in self.comparisons)
            for column in ("other images/s", "its share", "time ratio", *(["bound"] if bounded else [])):
                table.add_column(column)
        for comparison in self.comparisons:
            cells = [
                comparison.task,
                str(comparison.batch),
                f"{comparison.images_per_second:.1f}",
                f"{comparison.share_of_peak.median:.2f}",
            ]
            if comparison.ratio is not None:
                cells += [
                    f"{comparison.against_images_per_second:.1f}",
                    f"{comparison.against_share_of_peak.median:.2f}",  # type: ignore[union-attr]
                    str(comparison.ratio),
                ]
            if comparison.bound is not None:
                cells.append(f"{comparison.bound} {'held' if comparison.within_bound else 'EXCEEDED'}")
            table.add_row(*cells)
        interval = self.comparisons[0].share_of_peak.confidence
        return Group(
            table,
            f"{self.pairs} pairs in turns; medians, in brackets their {interval:.0%} intervals. "
            f"Peak: {self.peak_gflops:.0f} GFLOP/s of a matrix product.",
        )
