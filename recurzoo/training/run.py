"""One training run, from a recipe and a data set to a checkpoint folder."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.console import RenderableType

from recurzoo.files import write_text
from recurzoo.models import ZooModel
from recurzoo.registry import checkpoint
from recurzoo.registry.catalog import dataset_facts
from recurzoo.registry.loading import create, load
from recurzoo.registry.spec import Record, TrainingData
from recurzoo.reports import Report
from recurzoo.training.datasets import ImageData, load_data
from recurzoo.training.evaluation import evaluate_classifier, test_metrics
from recurzoo.training.hardware import describe_hardware, describe_versions
from recurzoo.training.progress import Progress, load_state, save_state
from recurzoo.training.recipe import Recipe
from recurzoo.training.trainer import Trainer, make_trainer, train_epoch

STATE, LOG = "state.safetensors", "training.csv"


@dataclasses.dataclass(frozen=True)
class Result(Report):
    """What a run gave.

    Attributes:
        folder: the checkpoint's.
        accuracy: of the stored weights on all test images, a fraction.
        epochs: how many.
        seconds: of training, over all sessions.
    """

    folder: str
    accuracy: float
    epochs: int
    seconds: float

    def __rich__(self) -> RenderableType:
        minutes = self.seconds / 60
        return f"{self.folder}: {self.accuracy:.2%} of the test images, {self.epochs} epochs in {minutes:.1f} minutes"


def train(
    recipe: Recipe,
    data: str,
    out: str | Path,
    resume: bool = False,
    report: Callable[[dict[str, float]], None] = lambda row: None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Result:
    """Train a recipe, writing a state and a CSV line every epoch, and at the end a checkpoint.

    Args:
        recipe: a `Recipe`.
        data: words that `load_data` takes.
        out: folder for `state.safetensors`, `training.csv` and the checkpoint's folder.
        resume: bool, whether to go on where an earlier run in the same folder stopped.
        report: called after each epoch with its row of the log.
        callbacks: Keras callbacks for every epoch.

    Returns:
        A `Result`.

    Raises:
        ValueError: if the data does not fit the recipe, or a run in the folder is in the way.
    """
    out = Path(out)
    if (out / STATE).exists() and not resume:
        raise ValueError(f"There is a run in this folder. Received: {str(out)!r}; resume it, or give another folder")
    images = load_data(data, (recipe.image_size, recipe.image_size))
    if len(images.train) < recipe.batch_size:
        raise ValueError(
            f"A batch is at most all {len(images.train)} training images. Received: batch_size={recipe.batch_size}"
        )
    out.mkdir(parents=True, exist_ok=True)

    keras.utils.set_random_seed(recipe.seed)
    # Two networks: the second is what a run has to show for itself, the average of the first where one is taken.
    network, shown = (_create(recipe, images, recipe.precision) for _ in range(2))
    trainer = make_trainer(recipe, network, images.train.images, 255 * np.array(network.architecture["mean"]))
    plan = json.loads(recipe.model_dump_json()) | {"training_images": images.train.fingerprint}
    progress = load_state(out / STATE, trainer.state, plan) if resume and (out / STATE).exists() else Progress(plan)
    while progress.epoch < recipe.epochs:
        row = _run_epoch(trainer, shown, recipe, images, progress, callbacks)
        save_state(out / STATE, trainer.state, progress)
        write_text(out / LOG, progress.csv())
        report(row)
    _show(trainer, shown)
    return _store(recipe, images, shown, progress, out)


def _run_epoch(
    trainer: Trainer, shown: ZooModel, recipe: Recipe, images: ImageData, progress: Progress, callbacks: Sequence[Any]
) -> dict[str, float]:
    start = time.perf_counter()
    train, epoch = images.train, progress.epoch
    trained = train_epoch(trainer, recipe, train.labels, len(images.class_names), epoch, callbacks)
    seconds = time.perf_counter() - start
    _show(trainer, shown)
    tested = evaluate_classifier(shown, images.test)
    row = {
        "epoch": epoch + 1,
        "learning_rate": float(trainer.optimizer.learning_rate),
        "train_loss": trained["loss"],
        "train_accuracy": trained["accuracy"],
        "test_loss": tested["loss"],
        "test_accuracy": tested["accuracy"],
        "images_per_second": len(train) / seconds,
        "seconds": time.perf_counter() - start,
    }
    progress.rows.append({key: float(f"{value:.6g}") for key, value in row.items()})
    progress.seconds += row["seconds"]
    return progress.rows[-1]


def _show(trainer: Trainer, shown: ZooModel) -> None:
    """Give the shown network the weights that count: their average where one is being taken."""
    if trainer.average is not None and float(trainer.average.decay) > 0:
        trainer.average.copy_to(shown)
    else:
        shown.set_weights(trainer.network.get_weights())


def _create(recipe: Recipe, images: ImageData, precision: str) -> ZooModel:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        return create(
            recipe.architecture,
            num_classes=len(images.class_names),
            input_shape=images.test.images.shape[1:],
            **channel_statistics(recipe, images),
            **recipe.model,
        )
    finally:
        keras.config.set_dtype_policy(before)


def channel_statistics(recipe: Recipe, images: ImageData) -> dict[str, tuple[float, ...]]:
    """Mean and standard deviation of pixels in 0..1: the published ones of a known data set, else the images' own."""
    facts = dataset_facts(recipe.dataset)
    if facts is not None and facts.mean:
        return {"mean": facts.mean, "std": facts.std}
    pixels = images.train.images.reshape(-1, images.train.images.shape[-1]) / 255
    return {"mean": tuple(pixels.mean(axis=0).tolist()), "std": tuple(pixels.std(axis=0).tolist())}


def _store(recipe: Recipe, images: ImageData, shown: ZooModel, progress: Progress, out: Path) -> Result:
    """Write the checkpoint, and measure what was written: the figure in its record is that of the stored file."""
    final = _create(recipe, images, "float32")
    final.set_weights(shown.get_weights())
    facts = dataset_facts(recipe.dataset)
    record = Record(
        name=f"{recipe.architecture}.{recipe.dataset}",
        architecture=recipe.architecture,
        dataset=TrainingData(
            name=recipe.dataset,
            source=images.source,
            note=images.note,
            licence=facts.licence if facts is not None else None,
            fingerprint=images.train.fingerprint,
        ),
        class_names=images.class_names,
        recipe=progress.recipe,
        recipe_name=recipe.name,
        seed=recipe.seed,
        versions=describe_versions(),
        hardware=describe_hardware(),
        training_seconds=round(progress.seconds, 1),
        epochs=progress.epoch,
        licence="Apache-2.0",
    )
    folder = out / record.name
    record = checkpoint.save(final, folder, record, training_log=out / LOG)
    metrics = test_metrics(load(folder), images.test)
    checkpoint.write_record(folder, dataclasses.replace(record, metrics=metrics))
    return Result(str(folder), metrics["test_accuracy"], progress.epoch, round(progress.seconds, 1))
