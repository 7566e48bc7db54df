"""Training images, cut out of the data set by index inside the compiled step, as numbers drawn beforehand say."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from recurzoo.catalog.settings import Augmentation, Progressive

# What is drawn for each image, beside its index: a row of these.
COLUMNS = ("index", "top", "left", "mirrored", "hole_row", "hole_column")


def draw(
    indices: np.ndarray,
    augmentation: Augmentation,
    full: tuple[int, int],
    window: tuple[int, int],
    shown: tuple[int, int],
    epoch: int,
    seed: int,
) -> np.ndarray:
    """Draw how images are augmented in an epoch.

    What an image gets depends on the seed, the epoch and its index alone, so it is the same in whatever order, batch,
    process or backend it is trained.

    Args:
        indices: int array `(batch,)`, which images, of 0 to the largest.
        augmentation: an `Augmentation`.
        full: `(height, width)` of the data set's images.
        window: `(height, width)` of what a crop leaves of them.
        shown: `(height, width)` of what the network sees, which is where cutout paints.
        epoch: int, from 0.
        seed: int.

    Returns:
        An int32 array `(batch, 6)`, a row of `COLUMNS` an image.
    """
    count = int(indices.max(initial=-1)) + 1
    numbers = np.random.default_rng([seed, epoch, 1])
    drawn = np.zeros((count, len(COLUMNS)), "int32")
    for column, size, left in zip((1, 2), full, window, strict=True):
        drawn[:, column] = numbers.integers(-augmentation.crop, size - left + augmentation.crop + 1, count)
    if augmentation.flip == "alternating":
        # Each image keeps its turn through the whole run.
        drawn[:, 3] = (np.random.default_rng([seed, 2]).integers(0, 2, count) + epoch) % 2
    elif augmentation.flip:
        drawn[:, 3] = numbers.integers(0, 2, count)
    for column, size in zip((4, 5), shown, strict=True):
        drawn[:, column] = numbers.integers(0, size, count)
    drawn[:, 0] = np.arange(count)
    return drawn[indices]


class AugmentedImages(keras.layers.Layer):
    """Holds a data set's images on the device as uint8 and gives batches of them, augmented as `draw` said.

    Flip and crop only say which pixel goes where, so both are done by the one gather that fetches the batch.

    Args:
        images: uint8 array `(images, height, width, channels)`.
        augmentation: an `Augmentation`.
        fill: sequence of floats, one a channel in 0..255: what cutout paints with.
        progressive: a `Progressive`, how images of another size than the data set's come about; by default by cropping.

    Input shape:
        `(batch, 6)`, ints, as `draw` gives them.

    Output shape:
        `(batch, size, size, channels)`, float32 in 0..255; `size` is an attribute that may change from epoch to epoch,
        None for that of the images.
    """

    def __init__(
        self,
        images: np.ndarray,
        augmentation: Augmentation,
        fill: Any,
        progressive: Progressive | None = None,
        **kwargs: Any,
    ):
        super().__init__(dtype="float32", **kwargs)
        self.augmentation = augmentation
        self.image_shape = images.shape[1:]
        self.fill = np.asarray(fill, "float32")
        self.by = "crop" if progressive is None else progressive.kind
        self.size: int | None = None
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
    def shown(self) -> tuple[int, int]:
        """Height and width of the images as they are given now."""
        height, width, _ = self.image_shape
        return (height, width) if self.size is None else (self.size, self.size)

    @property
    def window(self) -> tuple[int, int]:
        """Height and width of what is cut out of the images."""
        height, width, _ = self.image_shape
        return self.shown if self.by == "crop" else (height, width)

    def draw(self, indices: np.ndarray, epoch: int, seed: int) -> np.ndarray:
        """Draw how images are augmented in an epoch; see `draw`."""
        height, width, _ = self.image_shape
        return draw(indices, self.augmentation, (height, width), self.window, self.shown, epoch, seed)

    def call(self, drawn: Any) -> Any:
        height, width, _ = self.image_shape
        index, top, left, mirrored, hole_row, hole_column = (drawn[:, i : i + 1] for i in range(len(COLUMNS)))
        rows = top + ops.arange(self.window[0], dtype="int32")[None, :]
        columns = left + ops.arange(self.window[1], dtype="int32")[None, :]
        inside = _between(rows, height)[:, :, None] & _between(columns, width)[:, None, :]
        # The paper's order: flip, then pad and crop.
        columns = ops.where(mirrored == 1, width - 1 - columns, columns)
        rows, columns = ops.clip(rows, 0, height - 1), ops.clip(columns, 0, width - 1)
        address = (index * height + rows)[:, :, None] * width + columns[:, None, :]
        images = ops.cast(self._fetch(address), "float32")
        # The border a crop reaches over is zero in raw pixels.
        images = images * ops.cast(inside, "float32")[..., None]
        if self.window != self.shown:
            images = ops.image.resize(images, self.shown, antialias=True, data_format="channels_last")
        return self._cut_out(images, hole_row, hole_column) if self.augmentation.cutout else images

    def _fetch(self, address: Any) -> Any:
        if keras.backend.backend() != "tensorflow":
            return ops.take(ops.convert_to_tensor(self.pixels), address, axis=0)
        import tensorflow as tf

        # From the variable, where it lies: replicas on other devices would first copy all of its tensor to themselves.
        return tf.gather(self.pixels.value, address)

    def _cut_out(self, images: Any, row: Any, column: Any) -> Any:
        # The centre is uniform over all pixels and the square clipped at the border (DeVries & Taylor, 2017).
        side = max(1, round(self.augmentation.cutout * self.shown[0] / self.image_shape[0]))
        rows, columns = (
            _between(ops.arange(size, dtype="int32")[None, :] - centre + side // 2, side)
            for size, centre in zip(self.shown, (row, column), strict=True)
        )
        return ops.where((rows[:, :, None] & columns[:, None, :])[..., None], self.fill, images)


def _between(positions: Any, size: int) -> Any:
    return (positions >= 0) & (positions < size)


def sample_as_trained(
    images: np.ndarray, augmentation: Augmentation, fill: Any, count: int = 10_000, seed: int = 0
) -> np.ndarray:
    """Some training images as a run saw them, for measuring batch-normalization statistics anew.

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
    chosen = np.random.default_rng(seed).permutation(len(images))[:count]
    layer = AugmentedImages(images[chosen], augmentation, fill)
    drawn = layer.draw(np.arange(len(chosen)), 0, seed)
    return np.concatenate(
        [ops.convert_to_numpy(layer(part)) for part in np.array_split(drawn, math.ceil(len(drawn) / 1000))]
    )
