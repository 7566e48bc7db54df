"""How fast one exported file runs beside another."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from recurzoo.exporting.formats import get_format

# The first runs allocate and warm caches.
WARM_UP = 3


def latency_ratio(file_a: Path, file_b: Path, format: str, pairs: int) -> float:
    """The median over pairs of `seconds_a / seconds_b`, of one image; below 1 where the first file is the faster.

    A pair is timed back to back, so that what else the machine does falls on both.
    """
    load = get_format(format).load
    runtimes = [load(file) for file in (file_a, file_b)]
    images = [runtime.random_images(1) for runtime in runtimes]
    ratios = []
    for pair in range(WARM_UP + pairs):
        seconds = []
        for runtime, image in zip(runtimes, images, strict=True):
            start = time.perf_counter()
            runtime.run(image)
            seconds.append(time.perf_counter() - start)
        if pair >= WARM_UP:
            ratios.append(seconds[0] / seconds[1])
    return statistics.median(ratios)
