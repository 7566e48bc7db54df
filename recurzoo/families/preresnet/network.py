"""Pre-activation ResNets, plain or with their last blocks shared (Jastrzebski et al., 2018)."""

from __future__ import annotations

from typing import Any, Literal

import keras
from keras import layers

from recurzoo.families.base import ZooModel
from recurzoo.families.preresnet.names import count_blocks
from recurzoo.families.stems import convolution
from recurzoo.layers import PreActivationBlock, StepNormalization
from recurzoo.layers.initializers import RowConstant
from recurzoo.sharing import partly, untied

# The scale of a shared block's normalizations at the start, where each step has its own.
UNSHARED_GAMMA = 0.1


@keras.saving.register_keras_serializable("recurzoo")
class PreActivationResNet(ZooModel):
    """A pre-activation ResNet of three stages, each of some unshared blocks and one block applied as often as is left.

    Args:
        depth: int, 6n + 2 layers, n blocks a stage.
        unshared: int, blocks of each stage that have kernels and biases of their own (the paper's 5), the projection
            block of the second and third stage among them; None for all: a plain ResNet.
        normalization: how the applications of the shared block are normalized: `"independent"`, each for itself, with
            scales that start at 0.1 (unshared batch norm, UBN), or `"shared"` (naive sharing).
        width: int, channels of the first stage; the others have twice and four times as many.
        extra_steps: int, how often the last block is applied once more. Weights are the same as without.
        extra_scale: float, what the residuals of these further applications are multiplied by: without, the features
            explode.
        num_classes: int.
        input_shape: `(height, width, channels)`.
        **kwargs: see `ZooModel`.

    Raises:
        ValueError: if no such network exists.

    Example:
        A trained network whose last block goes on for twenty steps:

        >>> unrolled = model.with_architecture(extra_steps=20, extra_scale=0.1)
        >>> unrolled.set_weights(model.get_weights())
    """

    def __init__(
        self,
        depth: int = 110,
        unshared: int | None = None,
        normalization: Literal["independent", "shared"] = "independent",
        width: int = 16,
        extra_steps: int = 0,
        extra_scale: float = 1.0,
        num_classes: int = 10,
        input_shape: tuple[int | None, ...] = (32, 32, 3),
        name: str | None = None,
        **kwargs: Any,
    ):
        blocks = count_blocks(depth, unshared, normalization, width, extra_steps)

        def stage(channels: int, steps: int, own: int, name: str) -> keras.Layer:
            # The shared block is the one after the first `own`: for kernels, biases and, naively, normalizations.
            index = tuple(min(step, own) for step in range(steps))
            shared = normalization == "shared"
            return self.stage(
                PreActivationBlock(channels, bias=index),
                steps,
                partly(index),
                name,
                normalization=index if shared else "independent",
                gamma_initializer="ones" if shared else RowConstant([UNSHARED_GAMMA if i >= own else 1 for i in index]),
            )

        x = self.begin(input_shape, **kwargs)
        x = convolution(x, width, use_bias=True)
        own = blocks if unshared is None else unshared
        further = {"steps": blocks - 1 + extra_steps, "extra_scale": float(extra_scale)} if extra_steps else {}
        x = stage(width, blocks, own, "stage_1")(x)
        for number in (2, 3):
            block = PreActivationBlock(width * 2 ** (number - 1), bias="per_step")
            x = self.stage(block, 1, untied(1), f"stage_{number}_entry", strides=2)(x)
            if blocks > 1:
                x = stage(block.channels, blocks - 1, own - 1, f"stage_{number}")(x, **(further if number == 3 else {}))
        x = layers.ReLU(name="relu")(StepNormalization(1, name="bn")(x))
        self.finish(x, num_classes, name)
