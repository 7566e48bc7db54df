"""Learning shortest paths by a curriculum (Savarese & Maire, 2019, section 4.4)."""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import keras
import numpy as np

from recurzoo.catalog.recipe import Recipe
from recurzoo.catalog.settings import Augmentation, Curriculum
from recurzoo.checkpoints.record import Metric, Record, Score
from recurzoo.data.sets import Split
from recurzoo.tasks.evaluation import finite, predict
from recurzoo.tasks.grids import PHASES, Grids, f1, f1_scores, generate_grids

# More are in no record of ours, and would fill the memory.
MOST_GRIDS = 100_000


class ShortestPaths:
    """Grids whose query cells are farther apart in each phase; implements `Task`.

    Each phase has its own examples; of these, epochs see the same. The grids to test on are the same for all seeds.

    Args:
        curriculum: a `Curriculum`.
        size: int, height and width of the grids.
        seed: int, of the training examples.
        epochs: int, of the whole run, an equal number in each phase.

    Raises:
        ValueError: if the epochs cannot be shared out equally, or there are too many grids.
    """

    source: str = "recurzoo's generator of shortest paths"
    class_names: tuple[str, ...] = ("path",)
    metric: Metric = "f1"

    def __init__(self, curriculum: Curriculum, size: int, seed: int = 0, epochs: int | None = None):
        epochs = curriculum.phases if epochs is None else epochs
        if epochs % curriculum.phases:
            raise ValueError(
                f"Phases have equal numbers of epochs. Received: epochs={epochs}, phases={curriculum.phases}"
            )
        if max(curriculum.examples, curriculum.test_examples) * curriculum.phases > MOST_GRIDS * PHASES:
            raise ValueError(f"A phase has at most {MOST_GRIDS} grids. Received: {curriculum!r}")
        self.curriculum, self.size, self.seed = curriculum, size, seed
        self.epochs_per_phase = epochs // curriculum.phases
        self.model_arguments: dict[str, Any] = {"num_classes": 1, "input_shape": (size, size, 2)}
        self.loss = keras.losses.BinaryCrossentropy(from_logits=True)
        # Drawn when they are asked for.
        self._train: dict[int, Split] = {}
        self._test: dict[int, Grids] = {}

    @classmethod
    def of_recipe(cls, recipe: Recipe) -> ShortestPaths:
        """The task of a training run.

        Raises:
            ValueError: if the recipe does not fit the task.
        """
        if recipe.augmentation != Augmentation() or recipe.label_smoothing or recipe.progressive.sizes:
            raise ValueError(
                "Grids are drawn anew instead of augmented, and their answers are not smoothed. "
                f"Received: {recipe.augmentation!r}, {recipe.progressive!r}, label_smoothing={recipe.label_smoothing}"
            )
        return cls(recipe.curriculum or Curriculum(), recipe.image_size, recipe.seed, recipe.epochs)

    @classmethod
    def of_checkpoint(cls, model: keras.Model, record: Record, limit: int | None = None) -> ShortestPaths:
        """The task that a checkpoint is measured by; see `open_task`."""
        height, width, channels = model.input_shape[1:]
        if channels != 2 or not height or height != width or model.output_shape[1:] != (height, width, 1):
            raise ValueError(
                "Shortest paths are for networks from square grids of two channels to a logit for each cell. "
                f"Received: {record.name!r}, from {model.input_shape[1:]} to {model.output_shape[1:]}"
            )
        recipe = record.recipe
        curriculum = (recipe.curriculum if recipe else None) or Curriculum()
        if limit is not None:
            curriculum = curriculum.replace(test_examples=min(limit, curriculum.test_examples))
        return cls(curriculum, height, recipe.seed if recipe else 0)

    @property
    def fingerprint(self) -> str:
        parts = (self._phase(phase).fingerprint for phase in range(1, self.curriculum.phases + 1))
        return hashlib.sha256("".join(parts).encode()).hexdigest()

    def examples(self, epoch: int) -> Split:
        return self._phase(epoch // self.epochs_per_phase + 1)

    def metrics(self) -> list[keras.metrics.Metric]:
        return []

    def targets(self, labels: np.ndarray) -> np.ndarray:
        return labels[..., None].astype("float32")

    def columns(self, model: keras.Model, epoch: int, limit: int | None = None) -> dict[str, float]:
        phase = epoch // self.epochs_per_phase + 1
        return {"phase": phase, **{f"test_{name}": value for name, value in self._measure(model, phase).items()}}

    def sample(self, recipe: Recipe | None, count: int = 10_000) -> np.ndarray:
        return self._phase(self.curriculum.phases).images[:count]

    def scores(self, model: keras.Model) -> tuple[Score, ...]:
        return tuple(
            Score(metric=name, value=finite(value), examples=self.curriculum.test_examples, phase=phase)
            for phase in range(1, self.curriculum.phases + 1)
            for name, value in self._measure(model, phase).items()
        )

    @property
    def test(self) -> Split:
        """Of the last phase."""
        grids = self._held_out(self.curriculum.phases)
        return Split(grids.images, grids.targets)

    def score(self, outputs: np.ndarray, labels: np.ndarray) -> float:
        return f1(outputs[..., 0] > 0, labels)

    def _measure(self, model: keras.Model, phase: int) -> dict[Literal["f1", "f1_without_queries"], float]:
        grids = self._held_out(phase)
        return f1_scores(predict(model, grids.images, batch_size=100), grids)

    def _held_out(self, phase: int) -> Grids:
        if phase not in self._test:
            self._test[phase] = held_out_grids(self.curriculum.test_examples, phase, self.size)
        return self._test[phase]

    def _phase(self, phase: int) -> Split:
        if phase not in self._train:
            grids = training_grids(self.curriculum.examples, phase, self.size, self.seed)
            self._train[phase] = Split(grids.images, grids.targets)
        return self._train[phase]


def training_grids(count: int, phase: int, size: int, seed: int) -> Grids:
    """The grids that a run of a seed is trained on in a phase."""
    # The seed stands at the end too, as NumPy takes [1, phase, 0] for [1, phase], which a phase is tested with.
    return generate_grids(count, phase, np.random.default_rng([seed, phase, 0, seed]), size)


def held_out_grids(count: int, phase: int, size: int) -> Grids:
    """The grids that every network is tested on: the same for all seeds, and never trained on."""
    return generate_grids(count, phase, np.random.default_rng([phase, 1]), size)
