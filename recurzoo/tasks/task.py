"""Tasks: what is learned from which examples and how it is measured. Only a task asks which data it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from recurzoo.catalog.recipe import Recipe
from recurzoo.checkpoints.record import Metric, Record, Score
from recurzoo.data.sets import Split
from recurzoo.tasks.words import SHORTEST_PATHS

if TYPE_CHECKING:
    import keras

    from recurzoo.models import ZooModel


class Task(Protocol):
    """The examples of a data set, and what is asked of a network about them.

    Attributes:
        source: where the examples came from, in words that hold on any machine.
        class_names: of the network's outputs.
        model_arguments: of the architecture.
        loss: a Keras loss.
        metric: what networks are compared by.
    """

    source: str
    class_names: tuple[str, ...]
    model_arguments: dict[str, Any]
    loss: keras.losses.Loss
    metric: Metric

    @property
    def fingerprint(self) -> str:
        """A digest of all examples trained on."""
        ...

    def metrics(self) -> list[keras.metrics.Metric]:
        """What else is measured while training, of outputs and targets."""
        ...

    def examples(self, epoch: int) -> Split:
        """The training examples of an epoch, of the same number in all; the same object where they are the same."""
        ...

    def targets(self, labels: np.ndarray) -> np.ndarray:
        """What the loss compares the network's outputs with, for examples with these labels."""
        ...

    def columns(self, model: keras.Model, epoch: int, limit: int | None = None) -> dict[str, float]:
        """What the log shows of a network after an epoch, measured on so many test examples."""
        ...

    def sample(self, recipe: Recipe | None, count: int = 10_000) -> np.ndarray:
        """At most so many training images as a recipe's run saw them last, to measure normalizations' statistics on."""
        ...

    def scores(self, model: keras.Model) -> tuple[Score, ...]:
        """Measure a network on all test examples."""
        ...

    @property
    def test(self) -> Split:
        """The test examples that networks are compared on."""
        ...

    def score(self, outputs: np.ndarray, labels: np.ndarray) -> float:
        """The `metric` of a network's outputs for examples with these labels."""
        ...


def plan_task(recipe: Recipe, data: str) -> Task:
    """The task of a training run.

    Args:
        recipe: a `Recipe`.
        data: words that `load_data` takes, or `shortest-paths`.

    Raises:
        ValueError: if the data are not there, or do not fit the recipe.
    """
    if data == SHORTEST_PATHS:
        from recurzoo.tasks.shortest_paths import ShortestPaths

        return ShortestPaths.of_recipe(recipe)
    from recurzoo.tasks.classification import Classification

    return Classification.of_recipe(recipe, data)


def open_task(data: str, model: ZooModel, record: Record, train: bool = False, limit: int | None = None) -> Task:
    """The task that a checkpoint is measured by on some data.

    Args:
        data: words that `load_data` takes, or `shortest-paths`.
        model: the checkpoint's.
        record: the checkpoint's.
        train: bool, whether training examples are wanted too.
        limit: int, how many test examples (a phase) at most; None for all.

    Raises:
        ValueError: if the data are not there, or are not what the checkpoint takes.
    """
    if data == SHORTEST_PATHS:
        from recurzoo.tasks.shortest_paths import ShortestPaths

        return ShortestPaths.of_checkpoint(model, record, limit)
    from recurzoo.tasks.classification import Classification

    return Classification.of_checkpoint(data, model, record, train, limit)
