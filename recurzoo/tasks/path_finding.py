"""Learning shortest paths by a curriculum (Savarese & Maire, 2019, section 4.4), as a run sees it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from recurzoo.catalog.recipe import Recipe
from recurzoo.catalog.settings import Augmentation, Curriculum
from recurzoo.checkpoints.record import Record
from recurzoo.checkpoints.scores import GRIDS
from recurzoo.data.sets import Split
from recurzoo.tasks.evaluation import predict
from recurzoo.tasks.shortest_paths import PHASES, Grids, f1_scores, generate_grids


class PathFinding:
    """Shortest paths in grids, whose query cells are farther apart in each phase; implements `Task`.

    Each phase has its own examples; of these, epochs see the same. The grids to test on are the same for all seeds.

    Args:
        recipe: a `Recipe`.

    Raises:
        ValueError: if the recipe does not fit the task.
    """

    source: str = "recurzoo's generator of shortest paths"
    note: str | None = None
    class_names: tuple[str, ...] = ("path",)
    metrics: Sequence[str] = ()

    def __init__(self, recipe: Recipe):
        curriculum = recipe.curriculum or Curriculum()
        if recipe.epochs % curriculum.phases:
            raise ValueError(
                f"Phases have equal numbers of epochs. Received: epochs={recipe.epochs}, phases={curriculum.phases}"
            )
        if recipe.augmentation != Augmentation() or recipe.label_smoothing:
            raise ValueError(
                "Grids are drawn anew instead of augmented, and their answers are not smoothed. "
                f"Received: {recipe.augmentation!r}, label_smoothing={recipe.label_smoothing}"
            )
        size = recipe.image_size
        self.epochs_per_phase = recipe.epochs // curriculum.phases
        phases = range(1, curriculum.phases + 1)
        drawn = [training_grids(curriculum.examples, phase, size, recipe.seed) for phase in phases]
        self.train = [Split(grids.images, grids.targets) for grids in drawn]
        self.test = [held_out_grids(curriculum.test_examples, phase, size) for phase in phases]
        self.fingerprint = hashlib.sha256("".join(part.fingerprint for part in self.train).encode()).hexdigest()
        self.model_arguments: dict[str, Any] = {"num_classes": 1, "input_shape": (size, size, 2)}
        self.loss = keras.losses.BinaryCrossentropy(from_logits=True)

    def examples(self, epoch: int) -> Split:
        return self.train[epoch // self.epochs_per_phase]

    def targets(self, examples: Split) -> np.ndarray:
        return examples.labels[..., None].astype("float32")

    def columns(self, model: keras.Model, epoch: int) -> dict[str, float]:
        phase = epoch // self.epochs_per_phase
        scores = score_paths(model, self.test[phase])
        return {"phase": phase + 1, **{f"test_{name}": score for name, score in scores.items()}}

    def record_metrics(self, model: keras.Model) -> dict[str, Any]:
        return path_metrics([score_paths(model, grids) for grids in self.test], len(self.test[0].targets))

    def summary(self, metrics: dict[str, Any]) -> str:
        last = len(self.test)
        whole, inner = metrics[f"test_f1_phase_{last}"], metrics[f"test_f1_without_queries_phase_{last}"]
        return f"F1 {whole:.3f} in the last phase, {inner:.3f} without the query cells"


def training_grids(count: int, phase: int, size: int, seed: int) -> Grids:
    """The grids that a run of a seed is trained on in a phase."""
    # The seed stands at the end too, as NumPy takes [1, phase, 0] for [1, phase], which a phase is tested with.
    return generate_grids(count, phase, np.random.default_rng([seed, phase, 0, seed]), size)


def grids_as_recorded(record: Record, size: int) -> tuple[Grids, Curriculum]:
    """The grids that a checkpoint's run was last trained on, and its curriculum, by its record."""
    curriculum = Curriculum(**(record.recipe.get("curriculum") or {}))
    return training_grids(curriculum.examples, curriculum.phases, size, record.seed or 0), curriculum


def held_out_grids(count: int, phase: int, size: int) -> Grids:
    """The grids that every network is tested on: the same for all seeds, and never trained on."""
    return generate_grids(count, phase, np.random.default_rng([phase, 1]), size)


def check_path_finder(model: keras.Model, name: str) -> int:
    """Check that a network marks paths in grids of one size, and tell the size.

    Args:
        model: a Keras model.
        name: what the user calls it.

    Raises:
        ValueError: if the model is not one for square grids.
    """
    height, width, channels = model.input_shape[1:]
    if channels != 2 or not height or height != width or model.output_shape[1:] != (height, width, 1):
        raise ValueError(
            "Shortest paths are for networks from square grids of two channels to a logit for each cell. "
            f"Received: {name!r}, from {model.input_shape[1:]} to {model.output_shape[1:]}"
        )
    return height


def score_paths(model: keras.Model, grids: Grids) -> dict[str, float]:
    """The F1 scores of a network's answers, see `recurzoo.tasks.f1_scores`."""
    return f1_scores(predict(model, grids.images, batch_size=100), grids)


def score_phases(model: keras.Model, name: str, count: int, phases: int = PHASES) -> list[dict[str, float]]:
    """Score a network in every phase, on held-out grids of the size that it takes.

    Args:
        model: a Keras model.
        name: what the user calls it.
        count: int, how many grids a phase.
        phases: int.

    Returns:
        For each phase what `score_paths` gives.

    Raises:
        ValueError: if the model is not one for square grids.
    """
    size = check_path_finder(model, name)
    return [score_paths(model, held_out_grids(count, phase, size)) for phase in range(1, phases + 1)]


def path_metrics(scores: Sequence[dict[str, float]], count: int) -> dict[str, Any]:
    """What a record holds of a network's scores.

    Args:
        scores: for each phase what `score_paths` gives.
        count: int, on how many grids.

    Returns:
        A dictionary: `test_f1_phase_1`, `test_f1_without_queries_phase_1`, ..., `test_grids_a_phase`.
    """
    metrics: dict[str, Any] = {
        f"test_{name}_phase_{phase}": score
        for phase, scored in enumerate(scores, start=1)
        for name, score in scored.items()
    }
    return {**metrics, GRIDS: count}
