"""What runs along an edge of a graph of states."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from keras import ops

from recurzoo.base.values import value
from recurzoo.layers.blocks import Bias, Block, Convolution, StepContext


@value
class TransitionBlock(Block):
    """BN-ReLU-Conv twice from one state to another (BRCx2), transposed going up (BRDx2); Liao & Poggio, figure 2 C.

    The first convolution halves or doubles the size. From two levels up or down both do, from three levels there are
    three of them, and so on. In its stage, `strides` is 2.

    Args:
        channels: int, width of the state it leads to.
        middle: int, channels between its convolutions.
        levels: int, how often the size is halved; negative where it is doubled.
        identity: bool, whether its input is added to what it gives (a state's transition to itself).
        kernel_size: int, 3, or 1 for states without extent.
        bias: None, `"per_step"`, `"shared"` or an index, see `Block`.
        dropout: float, rate of the dropout before the last convolution.
    """

    channels: int
    middle: int
    levels: int = 0
    identity: bool = False
    kernel_size: int = 3
    bias: Bias = None
    dropout: float = 0.0
    chained = False

    def convolutions(self, input_channels: int) -> dict[str, Convolution]:
        count = max(2, abs(self.levels))
        widths = [input_channels, *[self.middle] * (count - 1), self.channels]
        found = {}
        for number, (before, after) in enumerate(pairwise(widths), start=1):
            # At stride 1 a transposed convolution is an ordinary one with its kernel turned round: nothing to gain.
            strided = number <= abs(self.levels)
            transposed = strided and self.levels < 0
            found[f"conv{number}"] = Convolution(self.kernel_size, before, after, strided, transposed)
        return found

    def normalizations(self, input_channels: int) -> dict[str, int]:
        sites = self.convolutions(input_channels)
        return {site.replace("conv", "bn"): convolution.input_channels for site, convolution in sites.items()}

    def apply(self, x: Any, step: StepContext) -> Any:
        h = x
        sites = self.convolutions(x.shape[-1])
        for site in sites:
            h = ops.relu(step.normalize(site.replace("conv", "bn"), h))
            h = step.convolve(site, step.dropout(h) if site == f"conv{len(sites)}" else h)
        return step.add(x, h) if self.identity else h
