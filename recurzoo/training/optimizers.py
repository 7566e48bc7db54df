"""SGD as the papers' code runs it, and the learning rate's way through a run."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops
from pydantic import TypeAdapter

from recurzoo.catalog.recipe import Recipe
from recurzoo.catalog.settings import Adam, Cosine, Linear, Muon, Schedule, Steps
from recurzoo.training.strategy import WholeBatchClipping


@keras.saving.register_keras_serializable("recurzoo")
class CoupledSGD(WholeBatchClipping, keras.optimizers.SGD):
    """SGD with momentum and weight decay as in PyTorch: `g += decay * w`, then `v = momentum * v + g`.

    Keras' own `SGD(weight_decay=...)` decays the weights outside the momentum, which at momentum 0.9 is about ten times
    weaker; and its velocity holds the learning rate, so that a change of rate reaches old gradients late.

    Args:
        learning_rate: float or schedule.
        momentum: float.
        nesterov: bool.
        coupled_decay: float.
        exclude: names of weights that do not decay.
        **kwargs: see `keras.optimizers.SGD`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.1,
        momentum: float = 0.9,
        nesterov: bool = True,
        coupled_decay: float = 0.0,
        exclude: tuple[str, ...] = ("coefficients",),
        **kwargs: Any,
    ):
        super().__init__(learning_rate, momentum=momentum, nesterov=nesterov, **kwargs)
        self.coupled_decay = coupled_decay
        self.exclude = tuple(exclude)

    def build(self, variables: Any) -> None:
        super().build(variables)
        # By index: on TensorFlow `update_step` is given bare variables, whose names are not Keras'.
        self._names = [variable.name for variable in variables]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        rate = ops.cast(learning_rate, variable.dtype)
        gradient = self.clip(ops.cast(gradient, variable.dtype))
        index = self._get_variable_index(variable)
        name = self._names[index]
        decay = self.coupled_decay if name not in self.exclude else 0.0
        weight = ops.convert_to_tensor(variable)
        apart = self.decays_apart(name, weight)
        if decay and not apart:
            gradient = gradient + decay * weight
        if self.momentum:
            velocity = self.momentums[index]
            moved = self.momentum * ops.convert_to_tensor(velocity) + gradient
            self.assign(velocity, moved)
            gradient = gradient + self.momentum * moved if self.nesterov else moved
        step = self.step(name, gradient)
        if decay and apart:
            # As strong as within the momentum, which sums a weight's decay over its steps.
            step = step + decay / (1 - self.momentum) * weight
        self.assign_sub(variable, rate * step)

    def decays_apart(self, name: str, weight: Any) -> bool:
        """Whether a weight's decay is not part of its gradient."""
        return False

    def step(self, name: str, moved: Any) -> Any:
        """What the learning rate multiplies, of the weight of a name whose gradient and momentum gave `moved`."""
        return moved

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "coupled_decay": self.coupled_decay,
            "exclude": list(self.exclude),
        }


@keras.saving.register_keras_serializable("recurzoo")
class OrthogonalSGD(CoupledSGD):
    """`CoupledSGD` whose moves of kernels are orthogonal matrices: Muon (Jordan et al., 2024).

    A kernel `(height, width, in, out)` is a matrix of its output channels; of templates `(k, height, width, in, out)`
    each is one. Their decay is apart from the gradient (Loshchilov & Hutter, 2019) and as strong as it is in SGD:
    `w -= learning_rate * (kernel_ratio * orthogonal + decay / (1 - momentum) * w)`. All other weights, Dense kernels
    among them, move as in `CoupledSGD`.

    Args:
        learning_rate: float or schedule, of all other weights.
        kernel_ratio: float, the kernels' learning rate by that of the others.
        **kwargs: see `CoupledSGD`.
    """

    def __init__(self, learning_rate: Any = 0.1, kernel_ratio: float = 1.0, **kwargs: Any):
        super().__init__(learning_rate, **kwargs)
        self.kernel_ratio = kernel_ratio

    def decays_apart(self, name: str, weight: Any) -> bool:
        # Where gradients are small, decay would be most of what is made orthogonal: it would shrink the kernel as fast
        # as kernels learn, until nothing is left of it.
        return name in ("kernel", "templates") and len(weight.shape) >= 4

    def step(self, name: str, moved: Any) -> Any:
        if not self.decays_apart(name, moved):
            return super().step(name, moved)
        return self.kernel_ratio * ops.reshape(orthogonalize(ops.reshape(moved, _as_matrices(moved))), moved.shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kernel_ratio": self.kernel_ratio}


@keras.saving.register_keras_serializable("recurzoo")
class ClippedAdam(WholeBatchClipping, keras.optimizers.Adam):
    """Adam that clips the gradients of the whole batch."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        super().update_step(self.clip(gradient), variable, learning_rate)


def _as_matrices(kernel: Any) -> tuple[int, int, int]:
    *count, height, width, channels, outputs = kernel.shape
    return (math.prod(count), height * width * channels, outputs)


def orthogonalize(matrices: Any, steps: int = 5) -> Any:
    """The orthogonal matrices that are nearest, roughly: all singular values come to lie between 0.7 and 1.2.

    Args:
        matrices: tensor `(count, rows, columns)`.
        steps: int, of the Newton-Schulz iteration with Jordan's coefficients.

    Returns:
        A tensor of the same shape.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    x = ops.transpose(matrices, (0, 2, 1)) if tall else matrices
    x = x / (ops.sqrt(ops.sum(ops.square(x), axis=(1, 2), keepdims=True)) + 1e-7)
    for _ in range(steps):
        square = ops.matmul(x, ops.transpose(x, (0, 2, 1)))
        x = 3.4445 * x + ops.matmul(-4.7750 * square + 2.0315 * ops.matmul(square, square), x)
    return ops.transpose(x, (0, 2, 1)) if tall else x


@keras.saving.register_keras_serializable("recurzoo")
class EpochSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate by the epoch, as a recipe's `Schedule` says it.

    Args:
        peak: float, the highest rate.
        schedule: a `Schedule`, or the dictionary of one.
        epochs: int, of the whole run.
        steps_per_epoch: int, updates of the weights.
        accumulate: int, batches an update.
    """

    def __init__(
        self,
        peak: float,
        schedule: Steps | Linear | Cosine | dict[str, Any],
        epochs: int,
        steps_per_epoch: int,
        accumulate: int = 1,
    ):
        self.peak = peak
        self.schedule = TypeAdapter(Schedule).validate_python(schedule)
        self.epochs = epochs
        self.steps_per_epoch = steps_per_epoch
        self.accumulate = accumulate

    def __call__(self, step: Any) -> Any:
        # Keras counts batches.
        step = ops.cast(step if self.accumulate == 1 else step // self.accumulate, "float32")
        if isinstance(self.schedule, Steps):
            # A start after the run's end, so that there is a list to compare with also where the rate never steps.
            starts = [epoch * self.steps_per_epoch for epoch in (*self.schedule.epochs, self.epochs + 1)]
            passed = ops.sum(ops.cast(step >= ops.convert_to_tensor(starts, "float32"), "float32"))
            return self.peak * self.schedule.factor**passed
        done = step / (self.epochs * self.steps_per_epoch)
        left = ops.clip((1 - done) / (1 - self.schedule.warmup), 0, 1)
        falling = left if isinstance(self.schedule, Linear) else (1 - ops.cos(math.pi * left)) / 2
        rising = done / self.schedule.warmup if self.schedule.warmup else 1.0
        return self.peak * ops.minimum(rising, falling)

    def get_config(self) -> dict[str, Any]:
        return {
            "peak": self.peak,
            "schedule": self.schedule.model_dump(),
            "epochs": self.epochs,
            "steps_per_epoch": self.steps_per_epoch,
            "accumulate": self.accumulate,
        }


def make_optimizer(recipe: Recipe, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """The optimizer of a recipe."""
    settings = recipe.optimizer
    rate = EpochSchedule(settings.learning_rate, recipe.schedule, recipe.epochs, steps_per_epoch, recipe.accumulate)
    parts = {"gradient_accumulation_steps": recipe.accumulate if recipe.accumulate > 1 else None}
    if isinstance(settings, Adam):
        return ClippedAdam(rate, clipvalue=settings.clip_value, **parts)
    common: dict[str, Any] = {
        **parts,
        "momentum": settings.momentum,
        "nesterov": settings.nesterov,
        "coupled_decay": settings.weight_decay,
        "clipvalue": settings.clip_value,
    }
    if isinstance(settings, Muon):
        return OrthogonalSGD(rate, settings.kernel_rate / settings.learning_rate, **common)
    return CoupledSGD(rate, **common)
