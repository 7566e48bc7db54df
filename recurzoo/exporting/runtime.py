"""An exported file in the runtime of its format."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np


@dataclasses.dataclass(frozen=True)
class Runtime:
    """A loaded file.

    Attributes:
        name: str, the runtime and its version.
        image_shape: `(height, width, channels)` the file takes, None where any.
        run: from a float32 array `(batch, height, width, channels)` to the output.
    """

    name: str
    image_shape: tuple[int | None, ...]
    run: Callable[[np.ndarray], np.ndarray]

    def random_images(self, batch: int, seed: int = 0) -> np.ndarray:
        """Noise in 0..255 of a shape the file takes."""
        # Where any size will do, one that survives five halvings.
        shape = [64 if size is None else size for size in self.image_shape]
        return np.random.default_rng(seed).uniform(0, 255, (batch, *shape)).astype("float32")
