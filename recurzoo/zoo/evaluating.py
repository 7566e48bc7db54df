"""Checkpoints on data: `evaluate`, and `fold` with what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text

from recurzoo.base.records import Report
from recurzoo.checkpoints.folder import read_record
from recurzoo.checkpoints.record import Parent, Record, Score
from recurzoo.zoo.finding import find_folder
from recurzoo.zoo.loading import load

if TYPE_CHECKING:
    from recurzoo.models import ZooModel


class Evaluation(Report):
    """What `evaluate` measured.

    Attributes:
        model: the checkpoint's name.
        data: what it was measured on, in words.
        scores: a `Score` for each figure.
        recorded: those of the checkpoint's record that were measured under the same conditions.
    """

    model: str
    data: str
    scores: tuple[Score, ...]
    recorded: tuple[Score, ...]

    def __rich__(self) -> RenderableType:
        conditions = {score.title: score for score in self.recorded}
        lines = [f"{self.model}, on {self.scores[0].examples:,} examples of {self.data}"]
        for score in self.scores:
            recorded = conditions.get(score.title)
            lines.append(f"  {score.title}: {score.rounded}" + (f" (recorded: {recorded.rounded})" if recorded else ""))
        # Not strings, whose brackets would be read as markup.
        return Group(*map(Text, lines))


def evaluate(model: ZooModel | str | Path, data: str, limit: int | None = None) -> Evaluation:
    """Measure a checkpoint, or a model, on the test examples of a data set.

    Args:
        model: what `recurzoo.load` takes; or a model of the zoo, whose outputs are then taken to be the data's classes
            in their order.
        data: `tfds:NAME`, `digits`, `shortest-paths`, or a folder with `train/CLASS/` and `test/CLASS/`.
        limit: int, how many test examples (of each phase) at most, of each class its share; None for all.

    Returns:
        An `Evaluation`.

    Raises:
        ValueError: if the data are not there, or are not what the model takes.

    Example:
        >>> recurzoo.evaluate("swrn-22-1-2", "tfds:cifar10").scores
    """
    from recurzoo.tasks.task import open_task

    network, record = model_and_record(model)
    task = open_task(data, network, record, limit=limit)
    scores = task.scores(network)
    conditions = [score.condition for score in scores]
    same = tuple(score for score in record.scores if score.condition in conditions)
    return Evaluation(model=record.name, data=task.source, scores=scores, recorded=same)


def fold(
    model: ZooModel | str | Path, threshold: float = 0.9, data: str | tuple[Any, Any] | None = None, **kwargs: Any
) -> ZooModel:
    """Tie the convolutions whose kernels are alike, so that loops appear (Savarese & Maire, 2019, section 4.3).

    Args:
        model: a `ZooModel`, left as it is, or what `recurzoo.load` takes.
        threshold: float in 0..1, the absolute cosine from which two slots are tied.
        data: words for a data set, as `evaluate` takes them: then the folded model has the statistics of its training
            images, and the report says what it scored before, after, and with these statistics. Or a pair of images,
            pixels in 0..255, and int labels, to measure the accuracy on.
        **kwargs: with a pair: `train_images` and `batch_size`, see `recurzoo.rewriting.fold`.

    Returns:
        A new, uncompiled `ZooModel` with a `fold_report`.

    Raises:
        ValueError: if the threshold is outside 0..1, the model has no stage with several slots, or the data do not fit.

    Example:
        >>> folded = recurzoo.fold("swrn-22-1-2", threshold=0.8, data="tfds:cifar10")
        >>> print(folded.fold_report)
    """
    from recurzoo import rewriting

    network, record = model_and_record(model)
    if not isinstance(data, str):
        return rewriting.fold(network, threshold, data, **kwargs)
    from recurzoo.tasks.folding import fold_and_measure

    return fold_and_measure(network, record, threshold, data)[0]


def fold_checkpoint(name: str, threshold: float, data: str | None, folder_name: str) -> tuple[ZooModel, Record]:
    """Fold a checkpoint into another one.

    Args:
        name: what `recurzoo.load` takes.
        threshold: float in 0..1.
        data: words for a data set, or None to measure nothing.
        folder_name: str, of the new checkpoint.

    Returns:
        The folded model and its record, neither of them stored.
    """
    from recurzoo import rewriting
    from recurzoo.base.environment import describe_versions
    from recurzoo.tasks.folding import fold_and_measure

    network, record = model_and_record(name)
    scores: Sequence[Score] = ()
    if data is None:
        folded = rewriting.fold(network, threshold)
    else:
        folded, scores = fold_and_measure(network, record, threshold, data)
    parent = Parent(action="fold", checkpoint=record.name, threshold=threshold)
    changes = {"name": folder_name, "parent": parent, "scores": scores, "versions": describe_versions(), "files": {}}
    return folded, record.replace(**changes)


def model_and_record(model: ZooModel | str | Path) -> tuple[ZooModel, Record]:
    """A loaded model with its checkpoint's record; of a bare model, one that says what it is."""
    if isinstance(model, (str, Path)):
        folder = find_folder(model)
        return load(folder), read_record(folder)
    from recurzoo.checkpoints.completing import complete

    return model, complete(None, model, model.name)
