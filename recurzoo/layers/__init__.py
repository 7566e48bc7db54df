"""Stages, the blocks they repeat, and the normalisation of their steps."""

from recurzoo.layers.blocks import Block, BottleneckBlock, Convolution, PostActivationBlock, PreActivationBlock
from recurzoo.layers.shortcut import PaddingShortcut
from recurzoo.layers.stage import Stage
from recurzoo.layers.step_normalization import StepNormalization
from recurzoo.layers.stochastic_depth import StochasticDepth, linear_death_rates

__all__ = [
    "Block",
    "BottleneckBlock",
    "Convolution",
    "PaddingShortcut",
    "PostActivationBlock",
    "PreActivationBlock",
    "Stage",
    "StepNormalization",
    "StochasticDepth",
    "linear_death_rates",
]
