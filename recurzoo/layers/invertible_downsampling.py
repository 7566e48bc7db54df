"""Downsampling that loses nothing."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("recurzoo")
class InvertibleDownsampling(keras.layers.Layer):
    """Moves each square of pixels into channels: the copies of the image at every offset, one after the other.

    The invertible pooling of Dinh et al. (2017, section 3.6), by which RC-n (Zhang & Jung, 2018, section 2) lowers the
    resolution and widens the channels between its cells. It has no weights.

    Args:
        size: int, the side of the squares.

    Input shape:
        `(batch, height, width, channels)`, height and width divisible by `size`.

    Output shape:
        `(batch, height / size, width / size, size * size * channels)`.

    Raises:
        ValueError: if `size` is less than one, or the squares do not tile the image.

    Example:
        >>> layer = InvertibleDownsampling(2)
        >>> layer(ops.ones((1, 32, 32, 64))).shape
        (1, 16, 16, 256)
    """

    def __init__(self, size: int = 2, **kwargs: Any):
        super().__init__(**kwargs)
        if size < 1:
            raise ValueError(f"Squares have a side of one pixel or more. Received: size={size}")
        self.size = size

    def call(self, x: Any) -> Any:
        self._check(x.shape)
        # By slices, which need no static sizes.
        offsets = range(self.size)
        return ops.concatenate([x[:, i :: self.size, j :: self.size, :] for i in offsets for j in offsets], axis=-1)

    def inverse(self, y: Any) -> Any:
        """The image that was downsampled.

        Args:
            y: tensor as `call` gives it.

        Returns:
            A tensor `(batch, size * height, size * width, channels / size**2)`.

        Raises:
            ValueError: if the channels are not so many copies.
        """
        size, channels = self.size, y.shape[-1]
        if channels % size**2:
            raise ValueError(f"Channels must be divisible by {size**2}. Received: {channels} channels")
        _, height, width, _ = ops.shape(y)
        y = ops.reshape(y, (-1, height, width, size, size, channels // size**2))
        y = ops.transpose(y, (0, 1, 3, 2, 4, 5))
        return ops.reshape(y, (-1, size * height, size * width, channels // size**2))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        self._check(input_shape)
        batch, *sides, channels = input_shape
        return (batch, *(side and side // self.size for side in sides), channels and channels * self.size**2)

    def _check(self, shape: Any) -> None:
        if any(side is not None and side % self.size for side in shape[1:3]):
            raise ValueError(
                f"Height and width must be divisible by {self.size} to be invertibly downsampled; take other image "
                f"sizes. Received: a feature map of {shape[1]}x{shape[2]}"
            )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}
