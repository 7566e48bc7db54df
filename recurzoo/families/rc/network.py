"""Recurrent convolutions as model compression (Zhang & Jung, 2018), and the plain ResNets they are compared with."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from recurzoo.families.base import ZooModel
from recurzoo.families.rc.names import RCNormalization, check
from recurzoo.families.stems import convolution
from recurzoo.layers import InvertibleDownsampling, PostActivationBlock, PreActivationBlock, StepNormalization
from recurzoo.sharing import Initializer, tied, untied


@keras.saving.register_keras_serializable("recurzoo")
class RC(ZooModel):
    """RC-n: two cells whose one block is applied n times, each time with its own batch norm (eq. 2, appendix A).

    In the middle of a cell, before its step n // 2 + 1, average pooling halves the image; between the cells invertible
    downsampling does. The stem is normalized whatever the cells are; nothing is, between the last cell and the head.

    Args:
        steps: int, the paper's n, how often each cell's block is applied.
        width: int, channels of the first cell; the second has four times as many. The paper's is 64.
        normalization: `"independent"` statistics, scales and shifts for each step, `"shared"` ones, or `"none"` at all
            in the cells (table 1).
        recurrent: bool. If False, every step has kernels of its own: ResNet-10 and ResNet-18 of table 2.
        pre_activation: bool. If True, normalization and ReLU come before each convolution, not after it.
        initializer: how weights start: `"he_normal"`, which is a reading, or `"pytorch"`, that framework's default, a
            sixth of the variance. The paper says that what it does not state is PyTorch's default (appendix B). It
            decides what the cells reach without normalization (table 1).
        num_classes: int.
        input_shape: `(height, width, channels)`; height and width are 8 or more, and even after the first cell, which
            halves them.
        **kwargs: see `ZooModel`.

    Raises:
        ValueError: if no such network exists.
    """

    def __init__(
        self,
        steps: int = 4,
        width: int = 64,
        normalization: RCNormalization = "independent",
        recurrent: bool = True,
        pre_activation: bool = False,
        initializer: Initializer = "he_normal",
        num_classes: int = 10,
        input_shape: tuple[int | None, ...] = (32, 32, 3),
        name: str | None = None,
        **kwargs: Any,
    ):
        check(steps, width, normalization)
        # Halved by pooling, by the downsampling, which loses nothing, and by pooling again.
        if any(side is not None and (side < 8 or side // 2 % 2) for side in input_shape[:2]):
            raise ValueError(
                "An RC-n takes images whose height and width are 8 or more and, halved, even. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        block = PreActivationBlock if pre_activation else PostActivationBlock
        sharing = tied(steps) if recurrent else untied(steps)

        def cell(channels: int, name: str) -> keras.Layer:
            halve = {steps // 2: layers.AveragePooling2D(2, data_format="channels_last", name=f"{name}_pool")}
            settings = {"normalization": normalization, "before": halve, "kernel_initializer": initializer}
            return self.stage(block(channels), steps, sharing, name, **settings)

        x = self.begin(input_shape, **kwargs)
        x = convolution(x, width, initializer=initializer)
        x = layers.ReLU(name="stem_relu")(StepNormalization(1, name="stem_bn")(x))
        x = cell(width, "cell_1")(x)
        x = InvertibleDownsampling(2, name="downsampling")(x)
        x = cell(4 * width, "cell_2")(x)
        self.finish(x, num_classes, name, initializer=initializer)
