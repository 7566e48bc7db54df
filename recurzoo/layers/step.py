"""One step of a stage, as its block sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras import ops

from recurzoo.layers.convolution import convolve, convolve_transposed
from recurzoo.layers.step_table import row_at

if TYPE_CHECKING:
    from recurzoo.layers.stage import Stage

# For each convolution site its kernel and the factor for its output (or None).
Kernels = dict[str, tuple[Any, Any]]


class Step:
    """Reaches the weights of a stage that belong to one step; implements `StepContext`.

    Args:
        stage: the `Stage`.
        index: int, or int tensor inside a loop.
        kernels: for each convolution site its kernel and the factor for its output (or None).
        training: bool.
        extra_scale: float, a factor for the residual of a step after the stage's last one; None for none.
    """

    def __init__(
        self,
        stage: Stage,
        index: Any,
        kernels: Kernels,
        training: bool | None,
        extra_scale: float | None = None,
    ):
        self.stage = stage
        self.index = index
        self.kernels = kernels
        self.training = training
        self.extra_scale = extra_scale

    @property
    def changes_shape(self) -> bool:
        first = isinstance(self.index, int) and self.index == 0
        return self.stage.changes_shape and (first or not self.stage.block.chained)

    def convolve(self, site: str, x: Any) -> Any:
        kernel, factor = self.kernels[site]
        convolution = self.stage.convolutions[site]
        strided = convolution.strided and self.changes_shape
        operation = convolve_transposed if convolution.transposed else convolve
        y = operation(x, kernel, self.stage.strides if strided else 1)
        if factor is not None:
            y = y * factor
        if site not in self.stage.biases:
            return y
        return y + ops.cast(row_at(self.stage.biases[site], self.stage.bias_rows, self.index), y.dtype)

    def normalize(self, site: str, x: Any) -> Any:
        return self.stage.normalizations[site](x, step=self.index, training=self.training)

    def dropout(self, x: Any) -> Any:
        return x if self.stage.dropout is None else self.stage.dropout(x, training=self.training)

    def shortcut(self, x: Any) -> Any:
        return self.stage.shortcut(x) if self.changes_shape else x

    def add(self, carried: Any, residual: Any) -> Any:
        if self.stage.stochastic_depth is not None:
            residual = self.stage.stochastic_depth(residual, step=self.index, training=self.training)
        if self.extra_scale is None or (isinstance(self.index, int) and self.index < self.stage.steps):
            return carried + residual
        factor = ops.where(ops.convert_to_tensor(self.index) < self.stage.steps, 1.0, self.extra_scale)
        return carried + residual * ops.cast(factor, residual.dtype)
