"""What carries a block's input past it where the shape changes."""

from __future__ import annotations

from typing import Any, Literal

import keras
from keras import ops

from recurzoo.layers.step_normalization import StepNormalization
from recurzoo.sharing import Initializer, kernel_initializer

Shortcut = Literal["projection", "padding"]


@keras.saving.register_keras_serializable("recurzoo")
class PaddingShortcut(keras.layers.Layer):
    """The parameter-free shortcut A of He et al. (2015): strided subsampling, then zero channels appended.

    Args:
        channels: int, output channels; at least the input's.
        strides: int.

    Input shape:
        `(batch, height, width, input channels)`.

    Output shape:
        `(batch, ceil(height / strides), ceil(width / strides), channels)`.
    """

    def __init__(self, channels: int, strides: int = 1, **kwargs: Any):
        super().__init__(**kwargs)
        self.channels = channels
        self.strides = strides

    def call(self, x: Any) -> Any:
        x = x[:, :: self.strides, :: self.strides, :]
        return ops.pad(x, ((0, 0), (0, 0), (0, 0), (0, self.channels - x.shape[-1])))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "channels": self.channels, "strides": self.strides}


def make_shortcut(
    kind: Shortcut,
    channels: int,
    strides: int,
    use_bias: bool,
    normalize: bool,
    initializer: Initializer = "he_normal",
    dtype: Any = None,
) -> keras.layers.Layer:
    """Build the shortcut of a stage's first step.

    Args:
        kind: `"projection"` (a 1x1 convolution) or `"padding"` (`PaddingShortcut`).
        channels: int, output channels.
        strides: int.
        use_bias: bool, whether a projection has a bias.
        normalize: bool, whether a batch normalization follows a projection.
        initializer: how a projection starts, a word of `kernel_initializer`.
        dtype: the layer's dtype or policy; Keras' global one by default.

    Returns:
        A layer.
    """
    if kind == "padding":
        return PaddingShortcut(channels, strides, name="shortcut", dtype=dtype)
    projection = keras.layers.Conv2D(
        channels,
        1,
        strides,
        use_bias=use_bias,
        kernel_initializer=kernel_initializer(initializer),
        data_format="channels_last",
        name="shortcut",
        dtype=dtype,
    )
    if not normalize:
        return projection
    normalization = StepNormalization(1, name="shortcut_bn", dtype=dtype)
    return keras.Sequential([projection, normalization], name="shortcut")
