"""An exported file in the runtime of its format."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from recurzoo.base.documents import shorten
from recurzoo.data.sets import Images
from recurzoo.exporting.inference import OUTPUT, by_name

# Examples that a file is run on at once.
BATCH = 100
# The first runs allocate and warm caches.
WARM_UP = 3


@dataclasses.dataclass(frozen=True)
class Runtime:
    """A loaded file.

    Attributes:
        name: str, the runtime and its version.
        image_shape: `(height, width, channels)` the file takes, None where any.
        run: from a float32 array `(batch, height, width, channels)` to the output, in float32; of a file of several
            outputs to a dictionary by their names.
        operators: how many operators of each kind the file has; of a SavedModel none are counted.
        arena_bytes: int, the memory that an inference takes, where the runtime tells.
    """

    name: str
    image_shape: tuple[int | None, ...]
    run: Callable[[np.ndarray], Any]
    operators: Mapping[str, int] = dataclasses.field(default_factory=dict)
    arena_bytes: int | None = None

    def run_all(self, images: Images) -> np.ndarray:
        """The outputs for any number of images of any dtype, batch by batch."""
        batches = (images[start : start + BATCH].astype("float32") for start in range(0, len(images), BATCH))
        return np.concatenate([self.run(batch) for batch in batches])

    def random_images(self, batch: int, seed: int = 0) -> np.ndarray:
        """Noise in 0..255 of a shape the file takes."""
        # Where any size will do, one that survives five halvings.
        shape = [64 if size is None else size for size in self.image_shape]
        return np.random.default_rng(seed).uniform(0, 255, (batch, *shape)).astype("float32")


class FileModel:
    """A file in its runtime, as what a task asks of a Keras model.

    Args:
        runtime: a `Runtime`.

    Raises:
        ValueError: if the file has several outputs.
    """

    def __init__(self, runtime: Runtime):
        output = by_name(runtime.run(runtime.random_images(1)))
        if list(output) != [OUTPUT]:
            raise ValueError(
                f"A file is measured by its one output. Received: one with {shorten(list(output))}; export it without "
                "--steps"
            )
        self.runtime = runtime
        self.input_shape = (None, *runtime.image_shape)
        self.output_shape = (None, *output[OUTPUT].shape[1:])
        channels = runtime.image_shape[-1] or 0
        # Normalization is in the file.
        self.architecture = {"mean": (0.0,) * channels, "std": (1.0,) * channels}

    def predict_on_batch(self, images: np.ndarray) -> np.ndarray:
        return self.runtime.run_all(images)


def time_ratio(first: Runtime, second: Runtime, batch: int, pairs: int) -> float:
    """The median over pairs of `seconds_first / seconds_second`, for so many images; below 1 where the first is faster.

    A pair is timed back to back, so that what else the machine does falls on both.
    """
    runtimes = (first, second)
    images = [runtime.random_images(batch) for runtime in runtimes]
    ratios = []
    for pair in range(WARM_UP + pairs):
        seconds = []
        for runtime, given in zip(runtimes, images, strict=True):
            start = time.perf_counter()
            runtime.run(given)
            seconds.append(time.perf_counter() - start)
        if pair >= WARM_UP:
            ratios.append(seconds[0] / seconds[1])
    return statistics.median(ratios)
