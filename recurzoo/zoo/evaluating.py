"""Checkpoints on data: `evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType

from recurzoo.base.records import Report, plain_text
from recurzoo.checkpoints.record import Record, Score
from recurzoo.zoo.finding import find_checkpoint
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
        return Group(*map(plain_text, lines))


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


def model_and_record(model: ZooModel | str | Path) -> tuple[ZooModel, Record]:
    """A loaded model with its checkpoint's record; of a bare model, one that has no more than a name.

    Raises:
        ValueError: if the model is not of the zoo.
    """
    if isinstance(model, (str, Path)):
        folder, record = find_checkpoint(model)
        return load(folder), record
    from recurzoo.families.base import check_zoo_model

    check_zoo_model(model)
    return model, Record(name=model.name, architecture=type(model).__name__)
