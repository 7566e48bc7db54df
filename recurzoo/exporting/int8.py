"""What quantizing to int8 means in every format, and the check that one kernel is still one.

Weights have a scale an output channel, activations one a tensor, from the ranges that images give. A scale belongs to
the use of a kernel and not to its numbers: a normalization that follows a convolution multiplies its output channels,
which in int8 multiplies scales alone. So each step's normalization goes into a copy of its kernel, the graph is
quantized by the format's own quantizer, and then the copies, which hold the same int8 numbers, become one again. That
fails where a factor is negative, for it would turn the numbers' signs: there, and where no convolution comes before,
the normalization becomes a convolution of 1x1 by channel. As a product with a constant it would have one scale for all
channels.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

import numpy as np

# Between the name of a kernel and the number of its use, in the names of the copies.
USE = "/use_"
# Images that the graph is run on at once for its ranges.
BATCH = 50


def check_images(images: object, shape: tuple[int | None, ...]) -> np.ndarray:
    """Images to calibrate on, as a float32 array in an order that mixes classes.

    Args:
        images: array `(images, height, width, channels)`.
        shape: `(height, width, channels)` of the model's input, None where any.

    Raises:
        ValueError: if they are not such an array, or not finite.
    """
    array = np.asarray(images, "float32")
    fits = array.ndim == 4 and all(size in (None, found) for size, found in zip(shape, array.shape[1:], strict=True))
    if not fits or len(array) == 0 or not np.isfinite(array).all():
        raise ValueError(
            f"Int8 is calibrated on images (images, height, width, channels) as the model takes them, here {shape}, "
            f"without NaN; some hundred will do. Received: int8={type(images).__name__} of shape {array.shape}"
        )
    return array[np.random.default_rng(0).permutation(len(array))]


def is_pixels(images: np.ndarray) -> bool:
    """Whether images hold pixels in 0..255, and not the zeros and ones of a grid."""
    return images.min() >= 0 and 1 < images.max() <= 255


def are_one_kernel(kernel: np.ndarray, other: np.ndarray) -> bool:
    """Whether two int8 kernels hold the same numbers.

    Products with different factors round differently where a weight lies between two steps.
    """
    return kernel.shape == other.shape and int(np.abs(kernel.astype(int) - other).max()) <= 1


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what the quantizers print and log away from the standard output, which belongs to a command's report."""
    disabled = logging.root.manager.disable
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        logging.disable(logging.WARNING)
        try:
            with warnings.catch_warnings(action="ignore"):
                yield
        finally:
            logging.disable(disabled)
