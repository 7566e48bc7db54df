"""Training images, cut out of the data set by index inside the compiled step, as numbers drawn beforehand say."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from recurzoo.catalog.settings import Augmentation, Progressive
from recurzoo.data.image_data import Images
from recurzoo.data.images import Crop
from recurzoo.data.stored_images import StoredImages

# What is drawn for each image, beside its index: a row of these.
COLUMNS = ("index", "top", "left", "mirrored", "hole_row", "hole_column")
# Of random crops that are resized: how much wider than high or higher than wide, and how often another is drawn.
WIDEST = 4 / 3
CROP_TRIES = 10


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


class Augmenter(keras.layers.Layer):
    """Augments batches of uint8 images as `draw` said; where the pixels come from is its subclasses' business.

    Flip and crop only say which pixel goes where, so both are done by the one gather that fetches the batch.

    Args:
        shape: `(height, width, channels)` of the images.
        augmentation: an `Augmentation`.
        fill: sequence of floats, one a channel in 0..255: what cutout paints with.
        progressive: a `Progressive`, how images of another size than the data set's come about; by default by cropping.

    Output shape:
        `(batch, size, size, channels)`, float32 in 0..255; `size` is an attribute that may change from epoch to epoch,
        None for that of the images.
    """

    # Why images could not be read, which engines and backends wrap in errors of their own.
    error: ValueError | None = None

    def __init__(
        self,
        shape: tuple[int, ...],
        augmentation: Augmentation,
        fill: Any,
        progressive: Progressive | None = None,
        **kwargs: Any,
    ):
        super().__init__(dtype="float32", **kwargs)
        self.augmentation = augmentation
        self.image_shape = shape
        self.fill = np.asarray(fill, "float32")
        self.by = "crop" if progressive is None else progressive.kind
        self.size: int | None = None
        self.built = True

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

    def augment(self, fetch: Callable[[Any], Any], index: Any, drawn: Any) -> Any:
        """Augment a batch.

        Args:
            fetch: gives the pixels at addresses, which number those of all images, row by row.
            index: int tensor `(batch, 1)`, the images' own numbers.
            drawn: int tensor `(batch, 6)`, as `draw` gives them.
        """
        height, width, _ = self.image_shape
        top, left, mirrored, hole_row, hole_column = (drawn[:, i : i + 1] for i in range(1, len(COLUMNS)))
        rows = top + ops.arange(self.window[0], dtype="int32")[None, :]
        columns = left + ops.arange(self.window[1], dtype="int32")[None, :]
        inside = _between(rows, height)[:, :, None] & _between(columns, width)[:, None, :]
        # The paper's order: flip, then pad and crop.
        columns = ops.where(mirrored == 1, width - 1 - columns, columns)
        rows, columns = ops.clip(rows, 0, height - 1), ops.clip(columns, 0, width - 1)
        images = ops.cast(fetch((index * height + rows)[:, :, None] * width + columns[:, None, :]), "float32")
        # The border a crop reaches over is zero in raw pixels.
        images = images * ops.cast(inside, "float32")[..., None]
        if self.window != self.shown:
            images = ops.image.resize(images, self.shown, antialias=True, data_format="channels_last")
        return self._cut_out(images, hole_row, hole_column) if self.augmentation.cutout else images

    def _cut_out(self, images: Any, row: Any, column: Any) -> Any:
        # The centre is uniform over all pixels and the square clipped at the border (DeVries & Taylor, 2017).
        side = max(1, round(self.augmentation.cutout * self.shown[0] / self.image_shape[0]))
        rows, columns = (
            _between(ops.arange(size, dtype="int32")[None, :] - centre + side // 2, side)
            for size, centre in zip(self.shown, (row, column), strict=True)
        )
        return ops.where((rows[:, :, None] & columns[:, None, :])[..., None], self.fill, images)


class AugmentedImages(Augmenter):
    """Holds a data set's images on the device as uint8 and gives batches of them, augmented.

    Args:
        images: uint8 array `(images, height, width, channels)`.
        augmentation, fill, progressive: as `Augmenter` has them.

    Input shape:
        `(batch, 6)`, ints, as `draw` gives them.

    Output shape:
        As `Augmenter` has it.
    """

    def __init__(
        self,
        images: np.ndarray,
        augmentation: Augmentation,
        fill: Any,
        progressive: Progressive | None = None,
        **kwargs: Any,
    ):
        super().__init__(images.shape[1:], augmentation, fill, progressive, **kwargs)
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

    def hold(self, images: Any) -> None:
        """Take other images, of the same number and shape, in the place of these."""
        if images is not self._held:
            self.pixels.assign(images.reshape(self.pixels.shape))
            self._held = images

    def inputs(self, batch_size: int) -> Any:
        """The shape of what `call` takes."""
        return (batch_size, len(COLUMNS))

    def call(self, drawn: Any) -> Any:
        return self.augment(self._fetch, drawn[:, :1], drawn)

    def _fetch(self, address: Any) -> Any:
        if keras.backend.backend() != "tensorflow":
            return ops.take(ops.convert_to_tensor(self.pixels), address, axis=0)
        import tensorflow as tf

        # From the variable, where it lies: replicas on other devices would first copy all of its tensor to themselves.
        return tf.gather(self.pixels.value, address)


def _between(positions: Any, size: int) -> Any:
    return (positions >= 0) & (positions < size)


def draw_crop(place: int, smallest: float, epoch: int, seed: int) -> Crop:
    """Draw which part of an image is resized: of a random share of its area and a random shape (Szegedy et al., 2015).

    Like `draw`, it depends on the seed, the epoch and the image's place alone.

    Args:
        place: int, the image's.
        smallest: the smallest share of the image's area, in 0..1.
        epoch: int, from 0.
        seed: int.

    Returns:
        A `Crop`.
    """
    numbers = np.random.default_rng([seed, epoch, 3, place])
    shares = numbers.uniform(smallest, 1, CROP_TRIES)
    ratios = np.exp(numbers.uniform(-math.log(WIDEST), math.log(WIDEST), CROP_TRIES))
    left, top = numbers.uniform(size=2)

    def crop(size: tuple[int, int]) -> tuple[float, float, float, float]:
        width, height = size
        widths = np.sqrt(width * height * shares * ratios)
        heights = widths / ratios
        fitting = np.flatnonzero((widths <= width) & (heights <= height))
        if len(fitting):
            wide, high = float(widths[fitting[0]]), float(heights[fitting[0]])
        else:
            # Of an image narrower than every shape drawn, the largest part whose shape is allowed.
            wide, high = min(width, height * WIDEST), min(height, width * WIDEST)
        x, y = left * (width - wide), top * (height - high)
        return x, y, x + wide, y + high

    return crop


def sample_as_trained(
    images: Images, augmentation: Augmentation, fill: Any, count: int = 10_000, seed: int = 0
) -> np.ndarray:
    """Some training images as a run saw them, for measuring batch-normalization statistics anew.

    A network trained on crops with black borders has other statistics on images without: those of plain images would
    cost it several points of accuracy.

    Args:
        images: uint8 array `(images, height, width, channels)`, or `StoredImages`.
        augmentation: an `Augmentation`.
        fill: what cutout paints with, one number in 0..255 a channel.
        count: int, how many images at most.
        seed: int.

    Returns:
        A float32 array `(count, height, width, channels)`.
    """
    chosen = np.random.default_rng(seed).permutation(len(images))[:count]
    smallest = augmentation.resized_crop
    if isinstance(images, StoredImages) and smallest is not None:
        held = images.take(chosen, lambda place: draw_crop(place, smallest, 0, seed))
    else:
        held = images[chosen]
    layer = AugmentedImages(held, augmentation, fill)
    drawn = layer.draw(np.arange(len(chosen)), 0, seed)
    return np.concatenate(
        [ops.convert_to_numpy(layer(part)) for part in np.array_split(drawn, math.ceil(len(drawn) / 1000))]
    )
