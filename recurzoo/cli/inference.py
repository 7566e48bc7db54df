"""`recurzoo predict` and `recurzoo evaluate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.table import Table

from recurzoo.base.records import Report
from recurzoo.cli.options import Data, Json, Name


@dataclass(frozen=True)
class Guess:
    """A class and its probability."""

    label: str
    probability: float


@dataclass(frozen=True)
class Prediction:
    """What a model takes an image for, the likeliest first."""

    image: str
    guesses: tuple[Guess, ...]


@dataclass(frozen=True)
class Predictions(Report):
    """What `recurzoo predict` gives."""

    model: str
    predictions: tuple[Prediction, ...]

    def __rich__(self) -> RenderableType:
        table = Table("image", "class", "probability", box=None, pad_edge=False)
        for prediction in self.predictions:
            for number, guess in enumerate(prediction.guesses):
                table.add_row("" if number else prediction.image, guess.label, f"{guess.probability:.1%}")
        return table


@dataclass(frozen=True)
class Evaluation(Report):
    """What `recurzoo evaluate` measured, and what the checkpoint's record says of the same images, if it does."""

    model: str
    data: str
    note: str | None
    images: int
    accuracy: float
    loss: float
    recorded_accuracy: float | None

    def __rich__(self) -> RenderableType:
        lines = [f"{self.model}: {self.accuracy:.2%} of {self.images} test images, loss {self.loss:.4f} ({self.data})"]
        if self.note:
            lines.append(f"images: {self.note}")
        if self.recorded_accuracy is not None:
            lines.append(f"recorded for the same images: {self.recorded_accuracy:.2%}")
        return "\n".join(lines)


@dataclass(frozen=True)
class PhaseScores:
    """F1 on the grids of one phase, with and without the query cells."""

    phase: int
    f1: float
    f1_without_queries: float


@dataclass(frozen=True)
class PathEvaluation(Report):
    """What `recurzoo evaluate` measured of a network for shortest paths."""

    model: str
    grids_a_phase: int
    phases: tuple[PhaseScores, ...]

    def __rich__(self) -> RenderableType:
        table = Table("phase", "F1", "without query cells", title=f"{self.model}, {self.grids_a_phase} grids a phase")
        for scores in self.phases:
            table.add_row(str(scores.phase), f"{scores.f1:.4f}", f"{scores.f1_without_queries:.4f}")
        return table


def predict_(
    name: Name,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files.")],
    top: Annotated[int, typer.Option("--top", min=1, help="How many classes to show.")] = 5,
    json: Json = False,
) -> Report:
    """Classify images."""
    import numpy as np
    from keras import ops

    from recurzoo.checkpoints.folder import read_record
    from recurzoo.data.images import decode
    from recurzoo.tasks.evaluation import check_classifier
    from recurzoo.zoo.finding import find_folder
    from recurzoo.zoo.loading import load

    folder = find_folder(name)
    record, model = read_record(folder), load(folder)
    check_classifier(model, record)
    pixels = np.stack([decode(path, model.input_shape[1:3]) for path in images])
    probabilities = ops.convert_to_numpy(ops.softmax(model.predict(pixels, verbose=0)))
    labels = record.class_names or tuple(map(str, range(probabilities.shape[1])))
    return Predictions(
        record.name,
        tuple(
            Prediction(str(path), tuple(Guess(labels[i], float(row[i])) for i in np.argsort(-row)[:top]))
            for path, row in zip(images, probabilities, strict=True)
        ),
    )


def evaluate_(
    name: Name,
    data: Data,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Test images to use at most.")] = None,
    json: Json = False,
) -> Report:
    """Measure a checkpoint's accuracy on a data set's test images, or its F1 on shortest-paths."""
    from recurzoo.checkpoints.data import SHORTEST_PATHS
    from recurzoo.checkpoints.folder import read_record
    from recurzoo.checkpoints.scores import ACCURACY, FINGERPRINT, GRIDS, scores
    from recurzoo.tasks.evaluation import evaluate_classifier, load_images
    from recurzoo.tasks.path_finding import score_phases
    from recurzoo.zoo.finding import find_folder
    from recurzoo.zoo.loading import load

    folder = find_folder(name)
    record, model = read_record(folder), load(folder)
    if data == SHORTEST_PATHS:
        # As many grids as its record was measured on, so that the same figures come out.
        count = limit or record.metrics.get(GRIDS, 1000)
        phases = enumerate(score_phases(model, name, count), start=1)
        return PathEvaluation(record.name, count, tuple(PhaseScores(phase, **scored) for phase, scored in phases))
    images = load_images(data, model, record, train=False, limit=limit)
    measured = evaluate_classifier(model, images.test)
    same = record.metrics.get(FINGERPRINT) == images.test.fingerprint
    recorded = next((score.value for score in scores(record.metrics) if same and score.metric == ACCURACY), None)
    accuracy, loss = measured["accuracy"], measured["loss"]
    return Evaluation(record.name, images.source, images.note, len(images.test), accuracy, loss, recorded)
