"""Stages, the blocks they repeat, and the normalization of their steps."""

from recurzoo.layers.blocks import (
    Block,
    BottleneckBlock,
    Convolution,
    ConvolutionBlock,
    PostActivationBlock,
    PreActivationBlock,
)
from recurzoo.layers.channels import BiasActivation, ChannelScale
from recurzoo.layers.invertible_downsampling import InvertibleDownsampling
from recurzoo.layers.shared import Placement, SharedConv2D, SharedDense, SharedDepthwiseConv2D
from recurzoo.layers.shortcut import PaddingShortcut
from recurzoo.layers.stage import Stage
from recurzoo.layers.state_graph import StateGraph
from recurzoo.layers.step_normalization import StepNormalization
from recurzoo.layers.stochastic_depth import StochasticDepth, linear_death_rates
from recurzoo.layers.transition_block import TransitionBlock
from recurzoo.layers.transitions import adjacent_edges, full_edges, resnet_schedule

__all__ = [
    "BiasActivation",
    "Block",
    "BottleneckBlock",
    "ChannelScale",
    "Convolution",
    "ConvolutionBlock",
    "InvertibleDownsampling",
    "PaddingShortcut",
    "Placement",
    "PostActivationBlock",
    "PreActivationBlock",
    "SharedConv2D",
    "SharedDense",
    "SharedDepthwiseConv2D",
    "Stage",
    "StateGraph",
    "StepNormalization",
    "StochasticDepth",
    "TransitionBlock",
    "adjacent_edges",
    "full_edges",
    "linear_death_rates",
    "resnet_schedule",
]
