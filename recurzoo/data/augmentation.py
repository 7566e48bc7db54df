"""Training images, cut out of the data set by index inside the compiled step."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from recurzoo.catalog.settings import Augmentation
from recurzoo.checkpoints.record import Record
from recurzoo.models import ZooModel


class AugmentedImages(keras.layers.Layer):
    """Holds a data set's images on the device as uint8 and gives batches of them, augmented.

    Flip and crop only say which pixel goes where, so both are done by the one gather that fetches the batch.

    Args:
        images: uint8 array `(images, height, width, channels)`.
        augmentation: an `Augmentation`, applied when training.
        fill: sequence of floats, one a channel in 0..255: what cutout paints with.
        seed: int.

    Input shape:
        `(batch,)`, ints: which images.

    Output shape:
        `(batch, height, width, channels)`, float32 in 0..255.
    """

    def __init__(self, images: np.ndarray, augmentation: Augmentation, fill: Any, seed: int, **kwargs: Any):
        super().__init__(dtype="float32", **kwargs)
        self.augmentation = augmentation
        self.image_shape = images.shape[1:]
        self.fill = np.asarray(fill, "float32")
        self.seed_generator = keras.random.SeedGenerator(seed)
        self._held = images
        pixels = images.reshape(-1, images.shape[-1])
        self.pixels = self.add_weight(
            name="pixels",
            shape=pixels.shape,
            dtype="uint8",
            initializer=lambda shape, dtype: ops.convert_to_tensor(pixels, dtype),
            trainable=False,
            autocast=False,
        )
        self.built = True

    def hold(self, images: np.ndarray) -> None:
        """Take other images, of the same number and shape, in the place of these."""
        if images is not self._held:
            self.pixels.assign(images.reshape(self.pixels.shape))
            self._held = images

    @property
    def seed_generator_variables(self) -> list[Any]:
        """The state of the augmentation's random numbers."""
        return [self.seed_generator.state]

    def call(self, indices: Any, training: bool | None = None) -> Any:
        height, width, _ = self.image_shape
        count = ops.shape(indices)[0]
        rows = ops.broadcast_to(ops.arange(height)[None, :], (count, height))
        columns = ops.broadcast_to(ops.arange(width)[None, :], (count, width))
        if training and self.augmentation.crop:
            rows = rows + self._shift(count)
            columns = columns + self._shift(count)
        inside = self._between(rows, height)[:, :, None] & self._between(columns, width)[:, None, :]
        if training and self.augmentation.flip:
            mirrored = keras.random.uniform((count, 1), seed=self.seed_generator) < 0.5
            columns = ops.where(mirrored, width - 1 - columns, columns)
        rows, columns = ops.clip(rows, 0, height - 1), ops.clip(columns, 0, width - 1)
        address = (ops.cast(indices, "int32")[:, None] * height + rows)[:, :, None] * width + columns[:, None, :]
        images = ops.cast(ops.take(ops.convert_to_tensor(self.pixels), address, axis=0), "float32")
        # The border a crop reaches over is zero in raw pixels.
        images = images * ops.cast(inside, "float32")[..., None]
        if training and self.augmentation.cutout:
            images = self._cut_out(images, count)
        return images

    def _shift(self, count: Any) -> Any:
        crop = self.augmentation.crop
        return keras.random.randint((count, 1), -crop, crop + 1, seed=self.seed_generator)

    @staticmethod
    def _between(positions: Any, size: int) -> Any:
        return (positions >= 0) & (positions < size)

    def _cut_out(self, images: Any, count: Any) -> Any:
        # The centre is uniform over all pixels and the square clipped at the border (DeVries & Taylor, 2017).
        def covered(size: int) -> Any:
            centre = keras.random.randint((count, 1), 0, size, seed=self.seed_generator)
            start = centre - self.augmentation.cutout // 2
            return self._between(ops.arange(size)[None, :] - start, self.augmentation.cutout)

        height, width, _ = self.image_shape
        hole = covered(height)[:, :, None] & covered(width)[:, None, :]
        return ops.where(hole[..., None], self.fill, images)


def sample_as_trained(
    images: np.ndarray, augmentation: Augmentation, fill: Any, count: int = 10_000, seed: int = 0
) -> np.ndarray:
    """Some training images as a run saw them, for measuring batch-normalisation statistics anew.

    A network trained on crops with black borders has other statistics on images without: those of plain images would
    cost it several points of accuracy.

    Args:
        images: uint8 array `(images, height, width, channels)`.
        augmentation: an `Augmentation`.
        fill: what cutout paints with, one number in 0..255 a channel.
        count: int, how many images at most.
        seed: int.

    Returns:
        A float32 array `(count, height, width, channels)`.
    """
    layer = AugmentedImages(images, augmentation, fill, seed)
    chosen = np.random.default_rng(seed).permutation(len(images))[:count]
    parts = np.array_split(chosen, math.ceil(len(chosen) / 1000))
    return np.concatenate([ops.convert_to_numpy(layer(part, training=True)) for part in parts])


def sample_as_recorded(images: np.ndarray, record: Record, model: ZooModel) -> np.ndarray:
    """Some training images as a checkpoint's run saw them: `sample_as_trained` by its record."""
    augmentation = Augmentation(**record.recipe.get("augmentation", {}))
    return sample_as_trained(images, augmentation, [255 * mean for mean in model.architecture["mean"]])
