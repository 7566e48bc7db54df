"""The ImageNet networks of Savarese & Maire (2019, section 4.2): WRN-50-2 with and without soft parameter sharing."""

from __future__ import annotations

from typing import Any, Literal

import keras

from recurzoo.families.base import ZooModel
from recurzoo.families.channel_statistics import IMAGENET_MEAN, IMAGENET_STD
from recurzoo.families.stems import imagenet_stem
from recurzoo.layers import BottleneckBlock
from recurzoo.sharing.soft import soft_or_untied

BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


@keras.saving.register_keras_serializable("recurzoo")
class BottleneckSWRN(ZooModel):
    """SWRN-50-w: a Wide ResNet of bottlenecks whose every stage has three banks, one a convolution site.

    The first convolution of a stage has an input of other width and stays out of its bank.

    Args:
        depth: int, 50, 101 or 152.
        width: int, the paper's w: the 3x3 convolutions have 64w, 128w, 256w and 512w channels.
        num_templates: int, templates a bank; `"all"` for as many as it has slots (the paper's); None for a plain
            Wide ResNet.
        recurrence: float, lambda_R, the strength of the recurrence regulariser.
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
        num_templates: int | Literal["all"] | None = "all",
        recurrence: float = 0.0,
        num_classes: int = 1000,
        input_shape: tuple[int | None, ...] = (224, 224, 3),
        name: str | None = None,
        **kwargs: Any,
    ):
        if depth not in BLOCKS or not isinstance(width, int) or width < 1:
            raise ValueError(
                f"A bottleneck Wide ResNet has a depth of {', '.join(map(str, BLOCKS))} and a width of at least 1. "
                f"Received: depth={depth}, width={width}"
            )

        x = self.begin(input_shape, **{"mean": IMAGENET_MEAN, "std": IMAGENET_STD, **kwargs})
        x = imagenet_stem(x, 64)
        for number, steps in enumerate(BLOCKS[depth], start=1):
            planes = 64 * 2 ** (number - 1)
            block = BottleneckBlock(4 * planes, planes * width)
            banks = tuple(soft_or_untied(slots, num_templates, recurrence) for slots in (steps - 1, steps, steps))
            x = self.stage(block, steps, banks, f"stage_{number}", strides=1 if number == 1 else 2)(x)
        self.finish(x, num_classes, name)
