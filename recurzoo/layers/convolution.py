"""A convolution whose kernel comes from elsewhere."""

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
