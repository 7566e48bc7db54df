"""The block shapes that stages repeat.

A block is a frozen value: it names its convolutions and normalizations, and says how they follow each other. The
weights, which differ from step to step or do not, are the stage's; a block reaches them through the `StepContext`.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Protocol

from keras import ops

from recurzoo.base.values import Value, value

Bias = Literal["per_step", "shared"] | tuple[int, ...] | None


class Convolution(NamedTuple):
    """One convolution of a block: its kernel's shape, whether it carries the stage's stride, and is transposed."""

    kernel_size: int
    input_channels: int
    output_channels: int
    strided: bool = False
    transposed: bool = False

    @property
    def kernel_shape(self) -> tuple[int, int, int, int]:
        return (self.kernel_size, self.kernel_size, self.input_channels, self.output_channels)


class StepContext(Protocol):
    """What a block may ask of its stage at one step."""

    def convolve(self, site: str, x: Any) -> Any: ...
    def normalize(self, site: str, x: Any) -> Any: ...
    def dropout(self, x: Any) -> Any: ...
    def shortcut(self, x: Any) -> Any: ...
    def add(self, carried: Any, residual: Any) -> Any: ...

    @property
    def changes_shape(self) -> bool: ...


class Block(Value):
    """One step of a stage.

    Attributes:
        channels: int, output channels.
        bias: None, `"per_step"`, `"shared"`, or for each step the number of its bias (`(0, 1, 1)`: the last two steps
            have one): whether convolutions have biases, and whether steps share them.
        dropout: float, the rate of the dropout inside the block.
        normalized_shortcut: bool, whether a projection shortcut is followed by a normalization.
        chained: bool, whether a step goes on from the one before; otherwise all steps are alike, from an input of one
            shape to an output of another, and the stage's owner runs them (a `StateGraph`).
    """

    channels: int
    bias: Bias = None
    dropout: float = 0.0
    normalized_shortcut = False
    chained = True

    def convolutions(self, input_channels: int) -> dict[str, Convolution]:
        """The convolutions by name, in the order they run."""
        raise NotImplementedError

    def normalizations(self, input_channels: int) -> dict[str, int]:
        """The normalizations by name, each with its channels."""
        raise NotImplementedError

    def apply(self, x: Any, step: StepContext) -> Any:
        """Run one step on `(batch, height, width, channels)`."""
        raise NotImplementedError


class BasicBlock(Block):
    """Two 3x3 convolutions, the first with the stride."""

    def convolutions(self, input_channels: int) -> dict[str, Convolution]:
        return {
            "conv1": Convolution(3, input_channels, self.channels, strided=True),
            "conv2": Convolution(3, self.channels, self.channels),
        }


@value
class PreActivationBlock(BasicBlock):
    """Two 3x3 convolutions, each after normalization and ReLU (He et al., 2016; Wide ResNets).

    Where the shape changes, the shortcut starts from the first activation, as in Wide ResNets.

    Args:
        channels: int, output channels of both convolutions.
        bias: None, `"per_step"`, `"shared"` or an index, see `Block`.
        dropout: float, rate of the dropout before the second convolution.
    """

    channels: int
    bias: Bias = None
    dropout: float = 0.0

    def normalizations(self, input_channels: int) -> dict[str, int]:
        return {"bn1": input_channels, "bn2": self.channels}

    def apply(self, x: Any, step: StepContext) -> Any:
        activated = ops.relu(step.normalize("bn1", x))
        carried = step.shortcut(activated) if step.changes_shape else x
        h = step.convolve("conv1", activated)
        h = ops.relu(step.normalize("bn2", h))
        return step.add(carried, step.convolve("conv2", step.dropout(h)))


@value
class PostActivationBlock(BasicBlock):
    """Two 3x3 convolutions, each followed by a normalization, ReLU between them and after the sum (He et al., 2015).

    Args:
        channels: int, output channels of both convolutions.
        bias: None, `"per_step"`, `"shared"` or an index, see `Block`.
        dropout: float, rate of the dropout before the second convolution.
    """

    channels: int
    bias: Bias = None
    dropout: float = 0.0

    def normalizations(self, input_channels: int) -> dict[str, int]:
        return {"bn1": self.channels, "bn2": self.channels}

    def apply(self, x: Any, step: StepContext) -> Any:
        h = ops.relu(step.normalize("bn1", step.convolve("conv1", x)))
        h = step.normalize("bn2", step.convolve("conv2", step.dropout(h)))
        return ops.relu(step.add(step.shortcut(x), h))


@value
class ConvolutionBlock(Block):
    """One 3x3 convolution, normalized and through ReLU, added to what it came from (Savarese & Maire, 2019, sec. 4.4).

    Args:
        channels: int, output channels.
        bias: None, `"per_step"` or `"shared"`.
        dropout: float, rate of the dropout before the convolution.
    """

    channels: int
    bias: Bias = None
    dropout: float = 0.0

    def convolutions(self, input_channels: int) -> dict[str, Convolution]:
        return {"conv1": Convolution(3, input_channels, self.channels, strided=True)}

    def normalizations(self, input_channels: int) -> dict[str, int]:
        return {"bn1": self.channels}

    def apply(self, x: Any, step: StepContext) -> Any:
        h = step.normalize("bn1", step.convolve("conv1", step.dropout(x)))
        return step.add(step.shortcut(x), ops.relu(h))


@value
class BottleneckBlock(Block):
    """1x1, 3x3 and 1x1 convolutions, each followed by a normalization (He et al., 2015); the 3x3 carries the stride.

    Args:
        channels: int, output channels.
        width: int, channels of the 3x3 convolution.
        bias: None, `"per_step"`, `"shared"` or an index, see `Block`.
        dropout: float, rate of the dropout before the last convolution.
    """

    channels: int
    width: int
    bias: Bias = None
    dropout: float = 0.0
    normalized_shortcut = True

    def convolutions(self, input_channels: int) -> dict[str, Convolution]:
        return {
            "conv1": Convolution(1, input_channels, self.width),
            "conv2": Convolution(3, self.width, self.width, strided=True),
            "conv3": Convolution(1, self.width, self.channels),
        }

    def normalizations(self, input_channels: int) -> dict[str, int]:
        return {"bn1": self.width, "bn2": self.width, "bn3": self.channels}

    def apply(self, x: Any, step: StepContext) -> Any:
        h = ops.relu(step.normalize("bn1", step.convolve("conv1", x)))
        h = ops.relu(step.normalize("bn2", step.convolve("conv2", h)))
        h = step.normalize("bn3", step.convolve("conv3", step.dropout(h)))
        return ops.relu(step.add(step.shortcut(x), h))
