"""Relaxed sharing in training: how the pull grows, how far kernels are from their means, and their consolidation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from recurzoo.catalog import settings
from recurzoo.catalog.recipe import Recipe
from recurzoo.checkpoints.record import Score
from recurzoo.layers.tree import all_layers
from recurzoo.models import ZooModel
from recurzoo.rewriting import consolidate
from recurzoo.sharing import KernelBank, RelaxedBank, SoftBank


class ExponentialPull(keras.callbacks.Callback):
    """Raises the pull of all relaxed banks by an equal factor each epoch ("Towards Efficient Recurrent Visual Models",
    section 4).

    Args:
        epochs: int, of the whole run.
        start: float, the first epoch's pull.
        end: float, the last epoch's.

    Example:
        >>> model.fit(images, labels, epochs=30, callbacks=[ExponentialPull(30)])
    """

    def __init__(self, epochs: int, start: float = 1e-4, end: float = 1e-1):
        super().__init__()
        self.epochs = epochs
        self.start = start
        self.end = end

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        set_pull(self.model, self.start * (self.end / self.start) ** (epoch / max(1, self.epochs - 1)))


class PullOnSuccess(keras.callbacks.Callback):
    """Multiplies the pull of all relaxed banks after each epoch whose training error is under a bound (Kaiser &
    Sutskever, 2015).

    The model must be compiled with the metric `"accuracy"`.

    Args:
        bound: float, the error in 0..1.
        factor: float.
        start: float, the first epoch's pull.
        end: float, what the pull never exceeds.

    Example:
        >>> model.fit(images, labels, epochs=30, callbacks=[PullOnSuccess(bound=0.1)])
    """

    def __init__(self, bound: float, factor: float = 1.2, start: float = 1e-4, end: float = 1e-1):
        super().__init__()
        self.bound = bound
        self.factor = factor
        self.start = start
        self.end = end

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        # Later the banks themselves keep the pull, in a run's state too.
        if epoch == 0:
            set_pull(self.model, self.start)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if "accuracy" not in (logs or {}):
            raise ValueError(
                'The training error is 1 - accuracy; compile the model with metrics=["accuracy"]. '
                f"Received: metrics {sorted(logs or {})}"
            )
        if 1 - logs["accuracy"] < self.bound:
            for bank in relaxed_banks(self.model):
                bank.pull.assign(min(self.end, _number(bank.pull) * self.factor))


def make_pull_callbacks(recipe: Recipe, network: keras.Model) -> list[keras.callbacks.Callback]:
    """The callback that a recipe's network needs: none without relaxed banks, the exponential one by default.

    Raises:
        ValueError: if the recipe has a pull and the network nothing to pull.
    """
    if not relaxed_banks(network):
        if recipe.pull is not None:
            raise ValueError(
                "A pull is for relaxed sharing; leave the table [pull] out. "
                f"Received: {recipe.architecture!r}, with no relaxed bank"
            )
        return []
    pull = recipe.pull or settings.ExponentialPull()
    if isinstance(pull, settings.ExponentialPull):
        return [ExponentialPull(recipe.epochs, pull.start, pull.end)]
    return [PullOnSuccess(pull.bound, pull.factor, pull.start, pull.end)]


def relaxed_banks(model: keras.Model) -> list[RelaxedBank]:
    """All relaxed banks of a model, by their paths."""
    banks = [layer for layer in all_layers(model) if isinstance(layer, RelaxedBank)]
    return sorted(banks, key=lambda bank: bank.path)


def _number(variable: keras.Variable) -> float:
    # Of a variable that replicas have copies of, Python makes none by itself.
    return float(keras.ops.convert_to_numpy(variable))


def set_pull(model: keras.Model, pull: float) -> None:
    """Give all relaxed banks a pull."""
    for bank in relaxed_banks(model):
        bank.pull.assign(pull)


def sharing_arrays(model: keras.Model) -> dict[str, np.ndarray]:
    """How a model's kernels are shared, for the record of a run.

    Args:
        model: a built Keras model.

    Returns:
        By the bank's path: for each soft bank its coefficients `(slots, templates)`, for each relaxed bank the angle of
        each slot's kernel to their mean, in degrees, `(slots,)`.
    """
    banks = {layer.path: layer for layer in all_layers(model) if isinstance(layer, KernelBank)}
    return {
        **{
            f"{path}/coefficients": np.array(keras.ops.convert_to_numpy(bank.coefficients), "float32")
            for path, bank in banks.items()
            if isinstance(bank, SoftBank)
        },
        **{
            f"{path}/angles": bank.angles_to_mean().astype("float32")
            for path, bank in banks.items()
            if isinstance(bank, RelaxedBank)
        },
    }


def relaxation_columns(model: keras.Model) -> dict[str, float]:
    """What a run logs of relaxed banks.

    Args:
        model: a Keras model.

    Returns:
        The `pull` at the end of the epoch and, for each bank's set of kernels, the largest angle to their mean in
        degrees, as `angle_STAGE_CONVOLUTION`. Nothing without relaxed banks.
    """
    banks = relaxed_banks(model)
    angles = {
        f"angle_{bank.path.removesuffix('_bank').replace('/', '_')}": float(bank.angles_to_mean().max())
        for bank in banks
    }
    return {"pull": _number(banks[0].pull), **angles} if banks else {}


def consolidated(
    model: ZooModel, measure: Callable[[ZooModel], tuple[Score, ...]]
) -> tuple[ZooModel, tuple[Score, ...]]:
    """What a checkpoint holds of a trained model: its consolidated form, where it has relaxed banks.

    Args:
        model: a trained `ZooModel`.
        measure: gives the scores of a model.

    Returns:
        The model, or a new one in its place; and what its record should tell besides its own scores: those of the
        relaxed form, and the largest angle of a kernel to the mean that takes its place.
    """
    if not relaxed_banks(model):
        return model, ()
    scores = [score.replace(model="relaxed") for score in measure(model)]
    new = consolidate(model)
    return new, (*scores, Score(metric="angle", value=new.fold_report.angle, model="relaxed"))
