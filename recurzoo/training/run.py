"""One training run, from a recipe and a data set to a checkpoint folder."""

from __future__ import annotations

import contextlib
import logging
import math
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.console import RenderableType

from recurzoo.base.environment import computes_in_bfloat16, describe_hardware, describe_versions
from recurzoo.base.files import only_writer, write_text
from recurzoo.base.optional import import_optional
from recurzoo.base.records import Report
from recurzoo.catalog.catalog import dataset_facts
from recurzoo.catalog.recipe import Recipe, load_recipe
from recurzoo.checkpoints.folder import COEFFICIENTS, LOG
from recurzoo.checkpoints.record import Parent, Record, Score, TrainingData, headline
from recurzoo.families.base import building_in
from recurzoo.models import ZooModel
from recurzoo.rewriting import reestimate_batch_norm
from recurzoo.tasks.task import Task, plan_task
from recurzoo.training.progress import Progress, load_state, save_state
from recurzoo.training.relaxation import consolidated, make_pull_callbacks, relaxation_columns, sharing_arrays
from recurzoo.training.strategy import Strategy, agree, find_strategy
from recurzoo.training.trainer import Trainer, batches_an_epoch, make_trainer, train_epoch
from recurzoo.zoo.deriving import grow
from recurzoo.zoo.finding import find_checkpoint
from recurzoo.zoo.loading import create, load
from recurzoo.zoo.saving import refuse_other_content, save, write_record

STATE = "state.safetensors"


class Result(Report):
    """What a run gave.

    Attributes:
        folder: the checkpoint's.
        scores: what its record holds, measured on the stored weights.
        epochs: how many.
        seconds: of training, over all sessions.
    """

    folder: str
    scores: tuple[Score, ...]
    epochs: int
    seconds: float

    def __rich__(self) -> RenderableType:
        best = headline(self.scores)
        score = "not measured" if best is None else f"{best.title} {best.rounded}"
        return f"{self.folder}: {score}, {self.epochs} epochs in {self.seconds / 60:.1f} minutes"


def train(
    recipe: Recipe | str,
    data: str,
    out: str | Path,
    resume: bool = False,
    report: Callable[[dict[str, float]], None] = lambda row: None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    strategy: str = "auto",
) -> Result:
    """Train a recipe, writing a state and a CSV line every epoch, and at the end a checkpoint.

    Args:
        recipe: a `Recipe`, or what `load_recipe` takes: a name, or the path of a TOML file or a `record.json`.
        data: words that `load_data` takes, or `shortest-paths`.
        out: folder for `state.safetensors`, `training.csv` and the checkpoint's folder.
        resume: bool, whether to go on where an earlier run in the same folder stopped.
        report: called after each epoch with its row of the log.
        callbacks: Keras callbacks for every epoch.
        strategy: `"none"`, one device; `"mirrored"`, all devices of this machine; `"multiworker"`, the machines that
            `TF_CONFIG` names; `"auto"`, what there is, see `find_strategy`. What is learned does not depend on it.

    Returns:
        A `Result`; of several workers, only the chief's has scores.

    Raises:
        ValueError: if the data does not fit the recipe, a run in the folder is in the way, or workers differ.
        ConnectionError: if another worker ends before the run does.

    Example:
        >>> recurzoo.train("swrn-22-1-2.cifar10.cpu", "tfds:cifar10", "runs/mine")
    """
    recipe = load_recipe(recipe) if isinstance(recipe, str) else recipe
    # First of all, since several workers connect before anything is computed.
    found = find_strategy(strategy)
    with found.together():
        return _train(recipe, data, Path(out), resume, report, callbacks, found)


def _train(
    recipe: Recipe,
    data: str,
    out: Path,
    resume: bool,
    report: Callable[[dict[str, float]], None],
    callbacks: Sequence[keras.callbacks.Callback],
    strategy: Strategy,
) -> Result:
    resume = resume and (out / STATE).exists()
    if strategy.chief:
        _refuse_what_is_in_the_way(recipe, out, resume)
    task = plan_task(recipe, data)
    if not batches_an_epoch(recipe, len(task.examples(0))):
        raise ValueError(
            f"A batch is at most all training images of an epoch, here of {len(task.examples(0))} in all. Received: "
            f"batch_size={recipe.batch_size}, epoch_examples={recipe.epoch_examples}"
        )
    plan = recipe.to_dict() | {"training_images": task.fingerprint}
    precision = resolve_precision(recipe.precision)
    agree(strategy, {**plan, **describe_versions(), "precision": precision, "replicas": strategy.replicas})
    # Only the chief's folder counts.
    resume = bool(strategy.share(b"resume" if resume else b""))
    keras.utils.set_random_seed(recipe.seed)
    # Two networks: the second is what a run has to show for itself, the average of the first where one is taken.
    with strategy.scope():
        network = _create(recipe, task, precision, any_size=bool(recipe.progressive.sizes))
    shown = _create(recipe, task, precision)
    parent = _begin(recipe, network, resume)
    fill = 255 * np.array(network.architecture["mean"])
    trainer = make_trainer(recipe, network, task.examples(0).images, fill, task.loss, task.metrics, strategy)
    own_callbacks = [*callbacks, *make_pull_callbacks(recipe, network)]
    with _folder_to_write(out, strategy) as folder:
        progress = _resume(folder, trainer, plan) if resume else Progress(plan)
        if not progress.sharing:
            progress.add_sharing(sharing_arrays(network))
        board = _tensorboard(folder, trainer) if recipe.logger == "tensorboard" and strategy.chief else None
        while progress.epoch < recipe.epochs:
            row = _run_epoch(trainer, shown, recipe, task, progress, own_callbacks)
            progress.precisions.append(precision)
            progress.strategies.append(strategy.title)
            progress.add_sharing(sharing_arrays(network))
            if strategy.chief:
                save_state(folder / STATE, trainer.state, progress)
                _write_logs(folder, progress)
                report(row)
                _warn_of_divergence(progress, recipe)
            if board is not None:
                board.on_epoch_end(progress.epoch - 1, row)
        if not strategy.chief:
            return Result(folder=recipe.checkpoint, scores=(), epochs=progress.epoch, seconds=progress.seconds)
        # A run that was killed after its last state has an older log, or none.
        _write_logs(folder, progress)
        _show(trainer, shown)
        if recipe.reestimate:
            reestimate_batch_norm(shown, task.sample(recipe))
        return _store(recipe, task, shown, progress, out, parent)


@contextlib.contextmanager
def _folder_to_write(out: Path, strategy: Strategy) -> Iterator[Path]:
    """The run's folder on the chief, and one that is soon gone on every other worker."""
    if strategy.chief:
        out.mkdir(parents=True, exist_ok=True)
        with only_writer(out):
            yield out
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)


def _resume(folder: Path, trainer: Trainer, plan: dict[str, Any]) -> Progress:
    """Load the chief's state on every worker."""
    strategy, path = trainer.strategy, folder / STATE
    if strategy.workers > 1:
        state = strategy.share(path.read_bytes() if strategy.chief else b"")
        if not strategy.chief:
            path.write_bytes(state)
    return load_state(path, trainer.state, plan)


def _write_logs(folder: Path, progress: Progress) -> None:
    write_text(folder / LOG, progress.csv())
    progress.save_sharing(folder / COEFFICIENTS)


def _refuse_what_is_in_the_way(recipe: Recipe, out: Path, resume: bool) -> None:
    """Refuse before a training what would stop it at its end, or be lost to it."""
    found = [name for name in (STATE, LOG, COEFFICIENTS) if (out / name).exists()]
    if found and not resume:
        raise ValueError(
            f"There is a run in this folder, or what is no run's. Received: {str(out)!r} with {', '.join(found)}; "
            "resume it, or give another folder"
        )
    refuse_other_content(out / recipe.checkpoint, overwrite=True)


def _tensorboard(out: Path, trainer: Trainer) -> keras.callbacks.Callback:
    import_optional("tensorboard", "tensorboard")
    board = keras.callbacks.TensorBoard(str(out / "tensorboard"), write_graph=False)
    board.set_model(trainer)
    return board


def _begin(recipe: Recipe, network: ZooModel, resume: bool) -> Parent | None:
    """Give a new network the weights of the checkpoint that the recipe names, if it names one, and name that.

    A run that goes on has weights of its own, and is only told the name.
    """
    if recipe.init is not None and recipe.grow_from is not None:
        raise ValueError(
            "A run begins with one checkpoint, as it is or grown. "
            f"Received: init={recipe.init!r}, grow_from={recipe.grow_from!r}"
        )
    name = recipe.init or recipe.grow_from
    if name is None:
        return None
    record = find_checkpoint(name)[1]
    parent = Parent(action="init" if recipe.init else "grow", checkpoint=record.name)
    if resume:
        return parent
    source = load(name)
    if recipe.grow_from is not None:
        source = grow(source, recipe.architecture)
    elif record.architecture != recipe.architecture:
        raise ValueError(
            f"A run begins with the weights of its own architecture, {recipe.architecture}. Received: init={name!r}, "
            f"of {record.architecture}; give grow_from for a narrower one"
        )
    new_head = source.output_shape != network.output_shape
    values = {weight.path: weight.value for weight in source.weights}
    for weight in network.weights:
        if not (new_head and weight.path.startswith("head/")):
            weight.assign(values[weight.path])
    return parent


def _run_epoch(
    trainer: Trainer, shown: ZooModel, recipe: Recipe, task: Task, progress: Progress, callbacks: Sequence[Any]
) -> dict[str, float]:
    epoch = progress.epoch
    examples = task.examples(epoch)
    trainer.images.hold(examples.images)
    start = time.perf_counter()
    trained = train_epoch(trainer, recipe, examples.labels, epoch, callbacks, task.targets)
    seconds = time.perf_counter() - start
    _show(trainer, shown)
    row = {
        "epoch": epoch + 1,
        "learning_rate": float(keras.ops.convert_to_numpy(trainer.optimizer.learning_rate)),
        **({"image_size": trainer.images.shown[0]} if recipe.progressive.sizes else {}),
        **{f"train_{name}": value for name, value in trained.items()},
        **(task.columns(shown, epoch, recipe.log_examples) if trainer.strategy.chief else {}),
        "images_per_second": batches_an_epoch(recipe, len(examples)) * recipe.batch_size / seconds,
        "seconds": time.perf_counter() - start,
        **relaxation_columns(trainer.network),
    }
    progress.rows.append({key: float(f"{value:.6g}") for key, value in row.items()})
    progress.seconds += row["seconds"]
    return progress.rows[-1]


def _warn_of_divergence(progress: Progress, recipe: Recipe) -> None:
    """Tell of the first epoch with a loss that is not finite; the run goes on, since some are there to show it."""
    found = [[key for key, value in row.items() if not math.isfinite(value)] for row in progress.rows]
    if found[-1] and not any(found[:-1]):
        logging.getLogger("recurzoo").warning(
            "The run has diverged: in epoch %d, %s is not finite. Received: optimizer.learning_rate=%g; unless this is "
            "what the run is to show, stop it and start anew in another folder with a lower one.",
            progress.epoch,
            ", ".join(found[-1]),
            recipe.optimizer.learning_rate,
        )


def _show(trainer: Trainer, shown: ZooModel) -> None:
    """Give the shown network the weights that count: their average where one is being taken."""
    if trainer.average is not None and keras.ops.convert_to_numpy(trainer.average.decay) > 0:
        trainer.average.copy_to(shown)
    else:
        shown.set_weights(trainer.network.get_weights())


def resolve_precision(precision: str) -> str:
    """The precision that a run computes in: of `"auto"`, bfloat16 where the machine has it."""
    if precision != "auto":
        return precision
    return "mixed_bfloat16" if computes_in_bfloat16() else "float32"


def _create(recipe: Recipe, task: Task, precision: str, any_size: bool = False) -> ZooModel:
    arguments = {**task.model_arguments, **recipe.model}
    if any_size:
        arguments["input_shape"] = (None, None, arguments["input_shape"][-1])
    with building_in(precision):
        return create(recipe.architecture, **arguments)


def _store(recipe: Recipe, task: Task, shown: ZooModel, progress: Progress, out: Path, parent: Parent | None) -> Result:
    """Write the checkpoint, and measure what was written: the figure in its record is that of the stored file."""
    final = _create(recipe, task, "float32")
    final.set_weights(shown.get_weights())
    final, relaxed = consolidated(final, task.scores)
    facts = dataset_facts(recipe.dataset)
    record = Record(
        name=recipe.checkpoint,
        architecture=recipe.architecture,
        dataset=TrainingData(
            name=recipe.dataset,
            source=task.source,
            license=recipe.data_license or (facts.license if facts is not None else None),
            fingerprint=task.fingerprint,
        ),
        class_names=task.class_names,
        recipe=recipe,
        parent=parent,
        versions=describe_versions(),
        hardware=describe_hardware(),
        training_seconds=round(progress.seconds, 1),
        epochs=progress.epoch,
        precisions=dict(Counter(progress.precisions)),
        strategies=dict(Counter(progress.strategies)),
        license=recipe.license,
    )
    folder = out / record.name
    coefficients = out / COEFFICIENTS if (out / COEFFICIENTS).is_file() else None
    record = save(final, folder, record, training_log=out / LOG, coefficients=coefficients, overwrite=True)
    scores = (*task.scores(load(folder)), *relaxed)
    write_record(folder, record.replace(scores=scores))
    return Result(folder=str(folder), scores=scores, epochs=progress.epoch, seconds=round(progress.seconds, 1))
