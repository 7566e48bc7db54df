"""How fast one exported file runs beside another."""

from __future__ import annotations

from pathlib import Path

from recurzoo.exporting.formats import get_format
from recurzoo.exporting.runtime import time_ratio


def latency_ratio(file_a: Path, file_b: Path, format: str, pairs: int) -> float:
    """The median over pairs of `seconds_a / seconds_b`, of one image; below 1 where the first file is the faster."""
    load = get_format(format).load
    return time_ratio(load(file_a), load(file_b), 1, pairs)
