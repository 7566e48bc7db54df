"""One door to all analyses: `recurzoo.analyze`."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recurzoo.analysis.report import Analysis, write_analysis
from recurzoo.base.errors import UnknownNameError

if TYPE_CHECKING:
    from recurzoo.models import ZooModel

# By kind what measures it, imported when it is asked for.
KINDS = {
    "similarity": "recurzoo.analysis.similarity",
    "ablation": "recurzoo.analysis.ablation",
    "trajectories": "recurzoo.analysis.trajectories",
    "iteration": "recurzoo.analysis.iteration",
    "readout": "recurzoo.analysis.readout",
    "weights": "recurzoo.analysis.weights",
    "anytime": "recurzoo.analysis.tradeoff",
}


def analyze(
    kind: str,
    model: ZooModel | str | Path,
    data: Any = None,
    out: str | Path | None = None,
    limit: int | None = None,
    **settings: Any,
) -> Analysis:
    """Look inside a network, as the papers do.

    Args:
        kind: `"similarity"` of layers and the loops that it suggests, `"ablation"` of steps, `"trajectories"` of
            images, `"iteration"`: what each step does, `"readout"` at other times, `"weights"`: angles and
            coefficients, or `"anytime"`: what stopping early saves.
        model: what `recurzoo.load` takes, or a Keras model of stages in a row.
        data: words for a data set, as `recurzoo.evaluate` takes them, or a pair of images, pixels in 0..255, and int
            labels; similarity and weights need none.
        out: path of a folder to write `KIND.json`, its tables as CSV and its figures as PNG and SVG into.
        limit: int, how many test examples at most; None for all.
        **settings: of the kind, see `recurzoo.analysis`.

    Returns:
        An `Analysis`, a frozen record of numbers.

    Raises:
        UnknownNameError: if there is no such kind, or it has no such setting; a ValueError.
        ValueError: if the kind needs data, or the network or the data do not fit.
        FileExistsError: if the folder has other files of these names.

    Example:
        >>> recurzoo.analyze("ablation", "rc-4-w16", "tfds:cifar10", out="ablation").curves
    """
    measure = measure_of(kind)
    known = [name for name in inspect.signature(measure).parameters if name != "subject"]
    if unknown := sorted(set(settings) - set(known)):
        raise UnknownNameError(
            f"The analysis {kind!r} has the settings {', '.join(known) or 'none'}. Received: {', '.join(unknown)}"
        )
    from recurzoo.analysis.subject import Subject

    analysis = measure(Subject(model, data, limit), **settings)
    if out is not None:
        write_analysis(analysis, out)
    return analysis


def measure_of(kind: str) -> Callable[..., Analysis]:
    """What measures a kind of analysis."""
    if kind not in KINDS:
        raise UnknownNameError(f"There are the analyses {', '.join(KINDS)}. Received: {kind!r}")
    measure: Callable[..., Analysis] = getattr(importlib.import_module(KINDS[kind]), f"measure_{kind}")
    return measure
