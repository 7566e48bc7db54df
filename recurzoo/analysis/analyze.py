"""One door to all analyses: `recurzoo.analyze`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recurzoo.analysis.report import Analysis, write_analysis

if TYPE_CHECKING:
    from recurzoo.models import ZooModel

# By kind what measures it, imported when it is asked for.
KINDS = {
    kind: (f"recurzoo.analysis.{kind}", f"measure_{kind}")
    for kind in ("similarity", "ablation", "trajectories", "iteration", "readout", "weights")
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
            images, `"iteration"`: what each step does, `"readout"` at other times, or `"weights"`: angles and
            coefficients.
        model: what `recurzoo.load` takes, or a Keras model of stages in a row.
        data: words for a data set, as `recurzoo.evaluate` takes them, or a pair of images, pixels in 0..255, and int
            labels; similarity and weights need none.
        out: path of a folder to write `KIND.json`, its tables as CSV and its figures as PNG and SVG into.
        limit: int, how many test examples at most; None for all.
        **settings: of the kind, see `recurzoo.analysis`.

    Returns:
        An `Analysis`, a frozen record of numbers.

    Raises:
        ValueError: if there is no such kind, the kind needs data, or the network or the data do not fit.
        FileExistsError: if the folder has other files of these names.

    Example:
        >>> recurzoo.analyze("ablation", "rc-4-w16", "tfds:cifar10", out="ablation").curves
    """
    measure = measure_of(kind)
    from recurzoo.analysis.subject import Subject

    try:
        analysis = measure(Subject(model, data, limit), **settings)
    except TypeError as error:
        if "unexpected keyword argument" not in str(error):
            raise
        raise ValueError(f"The analysis {kind!r} has no such setting. Received: {', '.join(settings)}") from None
    if out is not None:
        write_analysis(analysis, out)
    return analysis


def measure_of(kind: str) -> Callable[..., Analysis]:
    """What measures a kind of analysis."""
    if kind not in KINDS:
        raise ValueError(f"There are the analyses {', '.join(KINDS)}. Received: {kind!r}")
    module, name = KINDS[kind]
    measure: Callable[..., Analysis] = getattr(importlib.import_module(module), name)
    return measure
