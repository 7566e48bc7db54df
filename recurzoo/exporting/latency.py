"""How fast one exported file runs beside another."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path
from typing import NamedTuple

from recurzoo.exporting.formats import get_format


class LatencyRatio(NamedTuple):
    """The median of `seconds_a / seconds_b` over the pairs, and the median times of one run."""

    ratio: float
    seconds_a: float
    seconds_b: float


def latency_ratio(
    file_a: str | os.PathLike[str],
    file_b: str | os.PathLike[str],
    format: str,
    batch: int = 1,
    pairs: int = 30,
) -> LatencyRatio:
    """Run two exported files in turns and compare their times.

    A pair is timed back to back, so that what else the machine does falls on both.

    Args:
        file_a: path of an exported file.
        file_b: path of another, which it is compared with.
        format: str, of both, as `export` has it.
        batch: int, images a run.
        pairs: int, how many pairs to time.

    Returns:
        A `LatencyRatio`; its `ratio` is below 1 where the first file is the faster.

    Raises:
        ValueError: if there is no such format, or a batch or a number of pairs below 1.
        ImportError: if the format's runtime is not installed.
    """
    if batch < 1 or pairs < 1:
        raise ValueError(
            f"Latency is measured on at least one image and one pair. Received: batch={batch}, pairs={pairs}"
        )
    load = get_format(format).load
    runtimes = [load(Path(file)) for file in (file_a, file_b)]
    images = [runtime.random_images(batch) for runtime in runtimes]
    times: list[list[float]] = []
    # The first runs allocate and warm caches.
    warm_up = 3
    for pair in range(warm_up + pairs):
        seconds = []
        for runtime, batch_of_images in zip(runtimes, images, strict=True):
            start = time.perf_counter()
            runtime.run(batch_of_images)
            seconds.append(time.perf_counter() - start)
        if pair >= warm_up:
            times.append(seconds)
    return LatencyRatio(
        statistics.median(a / b for a, b in times),
        statistics.median(a for a, _ in times),
        statistics.median(b for _, b in times),
    )
