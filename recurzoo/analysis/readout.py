"""How good a recurrent network is when it is read out earlier or later than it was trained to be."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from recurzoo.checkpoints.record import Score
from recurzoo.models import FRNN
from recurzoo.rewriting import reestimate_batch_norm
from recurzoo.tasks.task import Task


def measure_readouts(
    model: FRNN,
    times: Iterable[int],
    task: Task,
    images: np.ndarray,
    report: Callable[[Score], None] = lambda score: None,
) -> tuple[Score, ...]:
    """Measure a network at several readout times (Liao & Poggio, 2016, figure 5 A), with the statistics of its
    normalizations reused from the last trained step, and recomputed.

    Args:
        model: a trained `FRNN`.
        times: of the readouts.
        task: what it is measured by.
        images: array `(images, height, width, channels)`, training images as training saw them.
        report: called with each accuracy.

    Returns:
        Accuracies, two a time.

    Raises:
        ValueError: if the network has no weights for a time.
    """
    # All are made first, so that a time which cannot be is told before any is measured.
    networks = {time: model.with_readout(time) for time in times}
    measured: list[Score] = []
    for time in list(networks):
        # Each is let go when it is measured, with all that was compiled for it.
        later = networks.pop(time)
        for statistics in ("reused", "recomputed"):
            if statistics == "recomputed":
                reestimate_batch_norm(later, images)
            for score in task.scores(later):
                if score.metric == "accuracy":
                    measured.append(score.replace(readout=time, statistics=statistics))
                    report(measured[-1])
    return tuple(measured)
