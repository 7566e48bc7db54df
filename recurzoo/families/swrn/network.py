"""Wide ResNets with soft parameter sharing (Savarese & Maire, 2019), and the plain Wide ResNets they come from."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from recurzoo.families.base import ZooModel
from recurzoo.families.grammar import Templates
from recurzoo.families.stems import convolution
from recurzoo.families.swrn.names import count_slots
from recurzoo.layers import PreActivationBlock, StepNormalization
from recurzoo.sharing import untied
from recurzoo.sharing.soft import Coefficients, soft_or_untied


@keras.saving.register_keras_serializable("recurzoo")
class SWRN(ZooModel):
    """SWRN-L-w-k: each stage's convolutions, but for its first block's two, mix k templates (section 4.1).

    Args:
        depth: int, the paper's L: 6n + 4 layers, at least 16 to have anything to share, at least 10 without sharing.
        width: int, the paper's w: stages have 16w, 32w and 64w channels.
        num_templates: int, the paper's k, at most `(depth - 4) / 3 - 2`; `"all"` for just as many (the paper's
            SWRN-L-w); None for a plain Wide ResNet.
        dropout: float, rate between the convolutions of a block (0.3 in the paper's starred models).
        recurrence: float, lambda_R, the strength of the recurrence regularizer (section 3.2).
        coefficients: how they start, see `SoftSharing` (appendix B).
        num_classes: int.
        input_shape: `(height, width, channels)`.
        **kwargs: see `ZooModel`.

    Raises:
        ValueError: if no such network exists.
    """

    def __init__(
        self,
        depth: int = 28,
        width: int = 10,
        num_templates: Templates = 2,
        dropout: float = 0.0,
        recurrence: float = 0.0,
        coefficients: Coefficients = "orthogonal",
        num_classes: int = 10,
        input_shape: tuple[int | None, ...] = (32, 32, 3),
        name: str | None = None,
        **kwargs: Any,
    ):
        slots = count_slots(depth, width, num_templates)

        x = self.begin(input_shape, **kwargs)
        x = convolution(x, 16)
        for number, channels in enumerate((16 * width, 32 * width, 64 * width), start=1):
            block = PreActivationBlock(channels, dropout=dropout)
            x = self.stage(block, 1, untied(1), f"stage_{number}_entry", strides=1 if number == 1 else 2)(x)
            if slots:
                sharing = soft_or_untied(slots, num_templates, recurrence, coefficients)
                x = self.stage(block, slots // 2, sharing, f"stage_{number}", across_sites=True)(x)
        x = layers.ReLU(name="relu")(StepNormalization(1, name="bn")(x))
        self.finish(x, num_classes, name)
