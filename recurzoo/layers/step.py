"""One step of a stage, as its block sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras import ops

from recurzoo.layers.convolution import convolve

if TYPE_CHECKING:
    from recurzoo.layers.stage import Stage


class Step:
    """Reaches the weights of a stage that belong to one step; implements `StepContext`.

    Args:
        stage: the `Stage`.
        index: int, or int tensor inside a loop.
        kernels: for each convolution site its kernel and the factor for its output (or None).
        training: bool.
    """

    def __init__(self, stage: Stage, index: Any, kernels: dict[str, tuple[Any, Any]], training: bool | None):
        self.stage = stage
        self.index = index
        self.kernels = kernels
        self.training = training

    @property
    def changes_shape(self) -> bool:
        return self.stage.changes_shape and isinstance(self.index, int) and self.index == 0

    def convolve(self, site: str, x: Any) -> Any:
        kernel, factor = self.kernels[site]
        strided = self.stage.convolutions[site].strided and self.changes_shape
        y = convolve(x, kernel, self.stage.strides if strided else 1)
        if factor is not None:
            y = y * factor
        if site not in self.stage.biases:
            return y
        bias = self.stage.biases[site]
        return y + ops.cast(ops.take(bias, ops.minimum(self.index, bias.shape[0] - 1), axis=0), y.dtype)

    def normalize(self, site: str, x: Any) -> Any:
        return self.stage.normalizations[site](x, step=self.index, training=self.training)

    def dropout(self, x: Any) -> Any:
        return x if self.stage.dropout is None else self.stage.dropout(x, training=self.training)

    def shortcut(self, x: Any) -> Any:
        return self.stage.shortcut(x) if self.changes_shape else x

    def add(self, carried: Any, residual: Any) -> Any:
        if self.stage.stochastic_depth is not None:
            residual = self.stage.stochastic_depth(residual, step=self.index, training=self.training)
        return carried + residual
