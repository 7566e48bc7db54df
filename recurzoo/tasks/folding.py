"""Folding with data: what it costs, and what measuring normalizations' statistics anew gives back."""

from __future__ import annotations

from typing import Any

from recurzoo.checkpoints.record import Record, Score, headline
from recurzoo.models import ZooModel
from recurzoo.rewriting import fold, reestimate_batch_norm
from recurzoo.tasks.task import open_task


def fold_and_measure(
    model: ZooModel, record: Record, threshold: float, data: str
) -> tuple[ZooModel, tuple[Score, ...]]:
    """Fold a checkpoint, and measure it before, after, and with statistics measured anew.

    Args:
        model: the checkpoint's, left as it is.
        record: the checkpoint's.
        threshold: float in 0..1, see `recurzoo.fold`.
        data: words that `load_data` takes, or `shortest-paths`.

    Returns:
        The folded model, with the statistics of the training images as training saw them last, and its scores. Its
        `fold_report` has the headline score of all three.

    Raises:
        ValueError: if the data do not fit the checkpoint, or there is nothing to fold.
    """
    task = open_task(data, model, record, train=True)
    folded = fold(model, threshold)
    measured: dict[str, Any] = {}
    scores: tuple[Score, ...] = ()
    for name, network in (("before", model), ("after", folded), ("reestimated", folded)):
        if name == "reestimated":
            reestimate_batch_norm(folded, task.sample(record.recipe))
        scores = task.scores(network)
        best = headline(scores)
        measured[f"score_{name}"] = None if best is None else best.value
        measured["metric"] = "accuracy" if best is None else best.title
    report = folded.fold_report.replace(**measured, statistics_reestimated=True)
    object.__setattr__(folded, "fold_report", report)
    return folded, scores
