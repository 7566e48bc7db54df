"""Accuracy against operations: what stopping early saves, beside stopping everywhere at the same step."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.console import RenderableType
from rich.table import Table

from recurzoo.analysis.anytime import Anytime, Measure, Policy
from recurzoo.analysis.plots import curve, panels
from recurzoo.analysis.readouts import fit_readouts
from recurzoo.analysis.report import Analysis, Rows
from recurzoo.analysis.subject import BATCH, Subject
from recurzoo.base.records import FrozenModel
from recurzoo.data.sets import Split
from recurzoo.tasks.evaluation import finite

# Of the test examples, what thresholds are chosen on; the others are measured.
VALIDATION_SHARE = 0.5
# Training images that heads are fitted on.
TO_FIT = 5_000


class PolicyPoint(FrozenModel):
    """What one way to stop costs and brings.

    Attributes:
        threshold: of the measure; None where all images stop after the same step.
        score: a share of 1.
        operations: mean multiply-accumulates an image.
        steps: mean steps an image.
    """

    threshold: float | None
    score: float | None
    operations: float
    steps: float


class Tradeoff(Analysis):
    """What a network gains by stopping early.

    Attributes:
        metric: what the scores are.
        measure: of sureness.
        threshold: that was taken.
        wish: what it was chosen for, on other examples; None where it was given.
        chosen_on: how many examples it was chosen on.
        fitted: whether heads were fitted to all steps.
        taken: what the threshold costs and brings.
        whole: what the whole network does.
        seconds: a thousand images take, at this threshold.
        whole_seconds: a thousand images take, all steps.
        thresholds: what other thresholds would cost and bring.
        fixed: what the same step for all images would.
    """

    metric: str
    measure: Measure
    threshold: float
    wish: str | None
    chosen_on: int | None
    fitted: bool
    taken: PolicyPoint
    whole: PolicyPoint
    seconds: float
    whole_seconds: float
    thresholds: tuple[PolicyPoint, ...]
    fixed: tuple[PolicyPoint, ...]

    def tables(self) -> dict[str, Rows]:
        ways = {"threshold": self.thresholds, "fixed step": self.fixed, "taken": (self.taken,), "whole": (self.whole,)}
        return {"": [{"stops_by": way, **point.to_dict()} for way, points in ways.items() for point in points]}

    def figures(self) -> dict[str, Callable[[Any], None]]:
        return {"": self._draw}

    def _draw(self, figure: Any) -> None:
        [axes] = panels(figure, 1, 1, 3.2)
        for number, (points, label) in enumerate(
            ((self.thresholds, f"each image when sure ({self.measure})"), (self.fixed, "all images at one step"))
        ):
            curve(axes, number, [p.operations / 1e6 for p in points], [p.score for p in points], label)
        axes.plot(
            self.taken.operations / 1e6, self.taken.score, "k*", markersize=9, label=f"threshold {self.threshold:.3g}"
        )
        axes.set_xlabel("operations an image (million multiply-accumulates)")
        axes.set_ylabel(f"{self.metric} (share of 1)")
        axes.legend()

    def __rich__(self) -> RenderableType:
        table = Table("", self.metric, "steps", "operations", "share", "s / 1,000 images", title=self.title)
        wish = f", for {self.wish}" if self.wish else ""
        rows = {
            f"{self.measure} > {self.threshold:.4g}{wish}": (self.taken, self.seconds),
            "whole network": (self.whole, self.whole_seconds),
        }
        for name, (point, seconds) in rows.items():
            score = "not finite" if point.score is None else f"{point.score:.4f}"
            share = f"{point.operations / self.whole.operations:.1%}"
            table.add_row(name, score, f"{point.steps:.2f}", f"{point.operations:,.0f}", share, f"{seconds:.2f}")
        return table


def measure_anytime(
    subject: Subject,
    threshold: float = 0.9,
    measure: Measure = "confidence",
    accuracy: float | None = None,
    budget: float | None = None,
    fit: bool = False,
) -> Tradeoff:
    """Stop a network for each test example as soon as it is sure.

    Args:
        subject: a `Subject` with data.
        threshold: float in 0..1.
        measure: see `recurzoo.anytime`.
        accuracy: float, in place of a threshold: choose it for this score, on half of the examples, and measure the
            other half.
        budget: float, likewise: for this share of the operations.
        fit: bool, whether to fit a head to every step on training images.

    Returns:
        A `Tradeoff`.

    Raises:
        ValueError: if no threshold reaches the wish, or the network or the data do not fit.
    """
    task, test = subject.task, subject.task.test
    readouts = None
    if fit:
        training = subject.training.examples(0)
        order = np.random.default_rng(0).permutation(len(training))[:TO_FIT]
        readouts = fit_readouts(subject.model, training.images[order], training.labels[order])
    sure = Anytime(subject.model, threshold, measure, readouts)
    order = np.random.default_rng(0).permutation(len(test))
    wish, chosen_on = None, None
    if accuracy is not None or budget is not None:
        chosen_on = max(1, int(VALIDATION_SHARE * len(test)))
        validation, order = order[:chosen_on], order[chosen_on:]
        sure = sure.calibrate(test.images[validation], test.labels[validation], accuracy, budget, task.score)
        wish = f"{task.metric} {accuracy:g}" if accuracy is not None else f"{budget:.0%} of the operations"
    images, labels = test.images[order], test.labels[order]
    probe = sure.probe(images, labels, task.score)
    seconds = {}
    for way in (1.0, sure.threshold):
        stopping = sure.at(way)
        stopping(images[:BATCH])
        start = time.perf_counter()
        stopping(images)
        seconds[way] = (time.perf_counter() - start) * 1000 / len(images)
    taken, whole = _points(probe.policies(np.array([sure.threshold, 1.0])))
    return Tradeoff(
        **subject.facts("anytime", Split(images, labels)),
        metric=task.metric,
        measure=measure,
        threshold=sure.threshold,
        wish=wish,
        chosen_on=chosen_on,
        fitted=fit,
        taken=taken,
        whole=whole,
        seconds=seconds[sure.threshold],
        whole_seconds=seconds[1.0],
        thresholds=_points(probe.policies(probe.thresholds(40))),
        fixed=_points(probe.fixed()),
    )


def _points(policy: Policy) -> tuple[PolicyPoint, ...]:
    columns = (policy.threshold, policy.score, policy.operations, policy.steps)
    return tuple(
        PolicyPoint(threshold=finite(float(t)), score=finite(float(score)), operations=float(ops), steps=float(steps))
        for t, score, ops, steps in zip(*columns, strict=True)
    )
