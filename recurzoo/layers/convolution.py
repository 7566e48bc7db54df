"""Convolutions whose kernels come from elsewhere."""

from __future__ import annotations

from typing import Any

from keras import ops


def convolve(x: Any, kernel: Any, strides: int = 1) -> Any:
    """Convolve with `(k - 1) / 2` zeros on every side, as PyTorch's `padding=(k - 1) // 2` does.

    Keras' `padding="same"` at stride 2 puts its one row of zeros only at the far side; weights trained by either
    convention are wrong by half a pixel under the other.

    Args:
        x: tensor `(batch, height, width, input channels)`.
        kernel: tensor `(k, k, input channels, output channels)`, k odd.
        strides: int.

    Returns:
        A tensor `(batch, ceil(height / strides), ceil(width / strides), output channels)`.
    """
    if strides == 1:
        return ops.conv(x, kernel, padding="same", data_format="channels_last")
    pad = kernel.shape[0] // 2
    if pad:
        x = ops.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    return ops.conv(x, kernel, strides=strides, padding="valid", data_format="channels_last")


def convolve_transposed(x: Any, kernel: Any, strides: int = 2) -> Any:
    """The transpose of `convolve`: output pixel `strides * i` lies on input pixel `i`, where `convolve` took it from.

    Keras' `padding="same"` would transpose its own convention instead, and be off by one pixel at stride 2.

    Args:
        x: tensor `(batch, height, width, input channels)`.
        kernel: tensor `(k, k, input channels, output channels)`, k odd.
        strides: int.

    Returns:
        A tensor `(batch, strides * height, strides * width, output channels)`.
    """
    pad, height, width = kernel.shape[0] // 2, *(None if size is None else size * strides for size in x.shape[1:3])
    # Keras has the channels of transposed kernels the other way round.
    kernel = ops.transpose(kernel, (0, 1, 3, 2))
    y = ops.conv_transpose(x, kernel, strides=strides, padding="valid", data_format="channels_last")
    height = ops.shape(x)[1] * strides if height is None else height
    width = ops.shape(x)[2] * strides if width is None else width
    return y[:, pad : pad + height, pad : pad + width, :]
