"""The ImageNet networks of Savarese & Maire (2019, section 4.2): WRN-50-2 with and without soft parameter sharing."""

from __future__ import annotations

from typing import Any

import keras

from recurzoo.families.base import ZooModel
from recurzoo.families.channel_statistics import IMAGENET
from recurzoo.families.grammar import Templates
from recurzoo.families.stems import imagenet_stem
from recurzoo.families.swrn.names import count_bottlenecks
from recurzoo.layers import BottleneckBlock
from recurzoo.sharing.soft import Coefficients, soft_or_untied


@keras.saving.register_keras_serializable("recurzoo")
class BottleneckSWRN(ZooModel):
    """SWRN-50-w: a Wide ResNet of bottlenecks whose every stage has three banks, one a convolution site.

    The first convolution of a stage has an input of other width and stays out of its bank.

    Args:
        depth: int, 50, 101 or 152.
        width: int, the paper's w: the 3x3 convolutions have 64w, 128w, 256w and 512w channels.
        num_templates: int, templates a bank; `"all"` for as many as it has slots (the paper's); None for a plain
            Wide ResNet.
        recurrence: float, lambda_R, the strength of the recurrence regularizer.
        coefficients: how they start, see `SoftSharing` (appendix B).
        num_classes: int.
        input_shape: `(height, width, channels)`.
        **kwargs: see `ZooModel`; mean and standard deviation default to ImageNet's.

    Raises:
        ValueError: if no such network exists.
    """

    def __init__(
        self,
        depth: int = 50,
        width: int = 2,
        num_templates: Templates = "all",
        recurrence: float = 0.0,
        coefficients: Coefficients = "orthogonal",
        num_classes: int = 1000,
        input_shape: tuple[int | None, ...] = (224, 224, 3),
        name: str | None = None,
        **kwargs: Any,
    ):
        bottlenecks = count_bottlenecks(depth, width, num_templates)

        x = self.begin(input_shape, **{**IMAGENET._asdict(), **kwargs})
        x = imagenet_stem(x, 64)
        for number, steps in enumerate(bottlenecks, start=1):
            planes = 64 * 2 ** (number - 1)
            block = BottleneckBlock(4 * planes, planes * width)
            banks = tuple(
                soft_or_untied(slots, num_templates, recurrence, coefficients) for slots in (steps - 1, steps, steps)
            )
            x = self.stage(block, steps, banks, f"stage_{number}", strides=1 if number == 1 else 2)(x)
        self.finish(x, num_classes, name)
