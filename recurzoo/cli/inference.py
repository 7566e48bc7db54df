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
    from recurzoo.tasks.classification import check_classifier
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
    from recurzoo.zoo.evaluating import evaluate

    return evaluate(name, data, limit)
