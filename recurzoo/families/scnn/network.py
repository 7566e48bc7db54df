"""The networks for shortest paths of Savarese & Maire (2019, section 4.4): an answer for every pixel, no pooling."""

from __future__ import annotations

from typing import Any

import keras

from recurzoo.families.base import ZooModel
from recurzoo.families.grammar import Templates
from recurzoo.families.scnn.names import WIDTH, check
from recurzoo.families.stems import convolution
from recurzoo.layers import ConvolutionBlock
from recurzoo.sharing.soft import soft_or_untied


@keras.saving.register_keras_serializable("recurzoo")
class SCNN(ZooModel):
    """CNN, SCNN and SCNN-R: a 1x1 convolution, residual 3x3 convolutions that share templates, a 1x1 convolution.

    Images are grids whose cells are 0 or 255 in each channel, so that pixels are 0..255 as everywhere in the zoo; the
    network sees 0 and 1, not normalized further.

    Args:
        depth: int, how many 3x3 convolutions.
        num_templates: int, of the one bank that serves them all; `"all"` for one a convolution (the paper's SCNN);
            None for a plain CNN.
        recurrence: float, lambda_R, the strength of the recurrence regularizer (SCNN-R: 0.01).
        width: int, channels.
        num_classes: int, logits for each pixel.
        input_shape: `(height, width, channels)`.
        **kwargs: see `ZooModel`; mean 0 and standard deviation 1 by default.

    Output shape:
        `(batch, height, width, num_classes)` logits.

    Raises:
        ValueError: if no such network exists.
    """

    def __init__(
        self,
        depth: int = 20,
        num_templates: Templates = "all",
        recurrence: float = 0.0,
        width: int = WIDTH,
        num_classes: int = 1,
        input_shape: tuple[int | None, ...] = (32, 32, 2),
        name: str | None = None,
        **kwargs: Any,
    ):
        check(depth, num_templates, width)
        channels = input_shape[-1] or 0
        x = self.begin(input_shape, **{"mean": (0.0,) * channels, "std": (1.0,) * channels, **kwargs})
        x = convolution(x, width, kernel_size=1, use_bias=True)
        x = self.stage(ConvolutionBlock(width), depth, soft_or_untied(depth, num_templates, recurrence), "stage")(x)
        self.finish(x, num_classes, name, per_pixel=True)
