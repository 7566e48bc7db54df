"""How good a fully recurrent network is when it is read out earlier or later than it was trained to be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from recurzoo.data.sets import Split
from recurzoo.models import FRNN
from recurzoo.rewriting import reestimate_batch_norm
from recurzoo.tasks.evaluation import evaluate_classifier


def measure_readouts(
    model: FRNN,
    times: Iterable[int],
    test: Split,
    seen: np.ndarray,
    report: Callable[[int, Mapping[str, float]], None] = lambda time, accuracies: None,
) -> dict[str, float]:
    """Measure a network at several readout times (Liao & Poggio, 2016, figure 5 A), with the statistics of its
    normalisations reused from the last trained step, and recomputed.

    Args:
        model: a trained `FRNN`.
        times: of the readouts.
        test: images and labels.
        seen: array `(images, height, width, channels)`, training images as training saw them.
        report: called after each time with its accuracies.

    Returns:
        What a record holds of it: `test_accuracy_at_readout_T_reused` and `..._recomputed`, shares of 1.

    Raises:
        ValueError: if the network has no weights for a time.
    """
    # All are made first, so that a time which cannot be is told before any is measured.
    networks = {time: model.with_readout(time) for time in times}
    metrics: dict[str, float] = {}
    for time in list(networks):
        # Each is let go when it is measured, with all that was compiled for it.
        later = networks.pop(time)
        accuracies = {"reused": evaluate_classifier(later, test)["accuracy"]}
        reestimate_batch_norm(later, seen)
        accuracies["recomputed"] = evaluate_classifier(later, test)["accuracy"]
        metrics |= {f"test_accuracy_at_readout_{time}_{way}": accuracy for way, accuracy in accuracies.items()}
        report(time, accuracies)
    return metrics
