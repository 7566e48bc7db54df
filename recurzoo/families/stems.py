"""What stands before the stages."""

from __future__ import annotations

from typing import Any

from keras import layers

from recurzoo.layers import StepNormalization
from recurzoo.sharing import Initializer, kernel_initializer


def convolution(
    x: Any,
    width: int,
    name: str = "stem",
    kernel_size: int = 3,
    use_bias: bool = False,
    initializer: Initializer = "he_normal",
) -> Any:
    """One convolution at stride 1."""
    return layers.Conv2D(
        width,
        kernel_size,
        padding="same",
        use_bias=use_bias,
        kernel_initializer=kernel_initializer(initializer),
        data_format="channels_last",
        name=name,
    )(x)


def imagenet_stem(x: Any, width: int) -> Any:
    """A 7x7 convolution at stride 2, normalized, and max pooling at stride 2, as in He et al. (2015)."""
    # Zeros on both sides, as in PyTorch: see `layers.convolution`.
    x = layers.ZeroPadding2D(3, data_format="channels_last", name="stem_padding")(x)
    x = layers.Conv2D(
        width, 7, 2, use_bias=False, kernel_initializer=kernel_initializer(), data_format="channels_last", name="stem"
    )(x)
    x = layers.ReLU(name="stem_relu")(StepNormalization(1, name="stem_bn")(x))
    x = layers.ZeroPadding2D(1, data_format="channels_last", name="pool_padding")(x)
    return layers.MaxPooling2D(3, 2, data_format="channels_last", name="stem_pool")(x)


def convolutions(x: Any, count: int, width: int, name: str) -> Any:
    """3x3 convolutions without bias, with normalization and ReLU between them."""
    for number in range(1, count + 1):
        if number > 1:
            x = StepNormalization(1, name=f"{name}_bn{number}")(x)
            x = layers.ReLU(name=f"{name}_relu{number}")(x)
        x = convolution(x, width, f"{name}_conv{number}")
    return x
