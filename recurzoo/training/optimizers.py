"""SGD as the papers' code runs it, and the learning rate's way through a run."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from recurzoo.catalog.recipe import Recipe
from recurzoo.catalog.settings import Optimizer, Schedule


@keras.saving.register_keras_serializable("recurzoo")
class CoupledSGD(keras.optimizers.SGD):
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
        self._decays = [variable.name not in self.exclude for variable in variables]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        rate = ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype)
        index = self._get_variable_index(variable)
        if self.coupled_decay and self._decays[index]:
            gradient = gradient + self.coupled_decay * ops.convert_to_tensor(variable)
        if self.momentum:
            velocity = self.momentums[index]
            moved = self.momentum * ops.convert_to_tensor(velocity) + gradient
            self.assign(velocity, moved)
            gradient = gradient + self.momentum * moved if self.nesterov else moved
        self.assign_sub(variable, rate * gradient)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "coupled_decay": self.coupled_decay, "exclude": list(self.exclude)}


@keras.saving.register_keras_serializable("recurzoo")
class EpochSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate by the epoch, as a recipe's `Schedule` says it.

    Args:
        peak: float, the highest rate.
        schedule: a `Schedule`, or the dictionary of one.
        epochs: int, of the whole run.
        steps_per_epoch: int.
    """

    def __init__(self, peak: float, schedule: Schedule | dict[str, Any], epochs: int, steps_per_epoch: int):
        self.peak = peak
        self.schedule = Schedule(**schedule) if isinstance(schedule, dict) else schedule
        self.epochs = epochs
        self.steps_per_epoch = steps_per_epoch

    def __call__(self, step: Any) -> Any:
        step = ops.cast(step, "float32")
        if self.schedule.kind == "steps":
            # A start after the run's end, so that there is a list to compare with also where the rate never steps.
            starts = [epoch * self.steps_per_epoch for epoch in (*self.schedule.epochs, self.epochs + 1)]
            passed = ops.sum(ops.cast(step >= ops.convert_to_tensor(starts, "float32"), "float32"))
            return self.peak * self.schedule.factor**passed
        done = step / (self.epochs * self.steps_per_epoch)
        left = ops.clip((1 - done) / (1 - self.schedule.warmup), 0, 1)
        falling = left if self.schedule.kind == "linear" else (1 - ops.cos(math.pi * left)) / 2
        rising = done / self.schedule.warmup if self.schedule.warmup else 1.0
        return self.peak * ops.minimum(rising, falling)

    def get_config(self) -> dict[str, Any]:
        return {
            "peak": self.peak,
            "schedule": self.schedule.model_dump(),
            "epochs": self.epochs,
            "steps_per_epoch": self.steps_per_epoch,
        }


def make_optimizer(recipe: Recipe, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """The optimiser of a recipe."""
    settings: Optimizer = recipe.optimizer
    rate = EpochSchedule(settings.learning_rate, recipe.schedule, recipe.epochs, steps_per_epoch)
    if settings.kind == "adam":
        return keras.optimizers.Adam(rate, clipvalue=settings.clip_value)
    return CoupledSGD(
        rate,
        settings.momentum,
        settings.nesterov,
        settings.weight_decay,
        clipvalue=settings.clip_value,
    )
