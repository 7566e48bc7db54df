"""An exported file in the runtime of its format."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np


@dataclasses.dataclass(frozen=True)
class Runtime:
    """A loaded file.

    Attributes:
        name: str, the runtime and its version.
        image_shape: `(height, width, channels)` the file takes, None where any.
        run: from a float32 array `(batch, height, width, channels)` to the output, in float32.
        operators: how many operators of each kind the file has; of a SavedModel none are counted.
        arena_bytes: int, the memory that an inference takes, where the runtime tells.
    """

    name: str
    image_shape: tuple[int | None, ...]
    run: Callable[[np.ndarray], np.ndarray]
    operators: Mapping[str, int] = dataclasses.field(default_factory=dict)
    arena_bytes: int | None = None

    def random_images(self, batch: int, seed: int = 0) -> np.ndarray:
        """Noise in 0..255 of a shape the file takes."""
        # Where any size will do, one that survives five halvings.
        shape = [64 if size is None else size for size in self.image_shape]
        return np.random.default_rng(seed).uniform(0, 255, (batch, *shape)).astype("float32")
