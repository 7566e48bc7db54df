"""Residual networks whose blocks share their kernels hard, relaxed or not at all ("Towards Efficient Recurrent Visual
Models")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from recurzoo.families.base import ZooModel
from recurzoo.families.relaxed.names import Levels, Method, count_blocks, holds
from recurzoo.families.stems import convolution
from recurzoo.layers import PostActivationBlock, StepNormalization, linear_death_rates
from recurzoo.sharing import RelaxedSharing, Sharing, tied, untied

CHANNELS = (16, 32, 64)


@keras.saving.register_keras_serializable("recurzoo")
class RelaxedResNet(ZooModel):
    """ResNet-110 and its kin: three levels of blocks whose kernels are shared by a method of the paper (section 4).

    Shared are the kernels of the convolutions alone, those of all first convolutions of a level and those of all second
    ones. Levels two and three begin with a padding block, which halves the image, doubles the channels by zeros, and
    is never shared.

    Args:
        blocks: three ints, the blocks of each level but for its padding block.
        method: `"none"`; `"raw"`, one kernel for all blocks; `"relaxed"`, a kernel for each block, drawn to their mean
            in training (section 3.1) and replaced by it at its end; `"minimal"`, a single block in the level.
        levels: `"middle"` or `"all"`, where the method holds.
        death_rate: float, of stochastic depth in the last block, the earlier ones' rising to it in a line (section
            3.2); 0 for none. The paper's is 0.5.
        num_classes: int.
        input_shape: `(height, width, channels)`.
        **kwargs: see `ZooModel`. The paper's per feature normalization is read as one mean and one standard deviation
            a color channel.

    Raises:
        ValueError: if no such network exists.
    """

    def __init__(
        self,
        blocks: Sequence[int] = (18, 17, 17),
        method: Method = "none",
        levels: Levels = "all",
        death_rate: float = 0.0,
        num_classes: int = 10,
        input_shape: tuple[int | None, ...] = (32, 32, 3),
        name: str | None = None,
        **kwargs: Any,
    ):
        counts = count_blocks(blocks, method, levels)
        # The two padding blocks count as well.
        total = sum(counts) + 2
        rates = iter(linear_death_rates(1, total, total, death_rate))

        def level(x: Any, index: int, steps: int, sharing: Sharing, name: str, **changes: Any) -> Any:
            block = PostActivationBlock(CHANNELS[index], bias="per_step")
            dying = [next(rates) for _ in range(steps)] if death_rate else None
            return self.stage(block, steps, sharing, name, death_rates=dying, **changes)(x)

        x = self.begin(input_shape, **kwargs)
        x = convolution(x, 16, use_bias=True)
        x = layers.ReLU(name="stem_relu")(StepNormalization(1, name="stem_bn")(x))
        for index, steps in enumerate(counts):
            if index:
                x = level(x, index, 1, untied(1), f"level_{index + 1}_padding", strides=2, shortcut="padding")
            chosen = method if holds(levels, index) else "none"
            sharing = {"raw": tied(steps), "relaxed": RelaxedSharing()}.get(chosen, untied(steps))
            x = level(x, index, steps, sharing, f"level_{index + 1}")
        self.finish(x, num_classes, name)
