"""A checkpoint with files of its network in int8, as one to publish."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.table import Table

from recurzoo.base.environment import describe_versions
from recurzoo.base.files import draft
from recurzoo.base.records import Report
from recurzoo.checkpoints.folder import EXPORTS, read_record
from recurzoo.checkpoints.record import Parent, Record, Score
from recurzoo.exporting.exporter import CALIBRATION, export
from recurzoo.exporting.formats import format_of, get_format
from recurzoo.exporting.runtime import FileModel
from recurzoo.rewriting import fold, reestimate_batch_norm
from recurzoo.rewriting.fold import has_soft_banks
from recurzoo.tasks.task import Task, open_task
from recurzoo.zoo.evaluating import model_and_record
from recurzoo.zoo.saving import recording, refuse_other_content, save, write_record

if TYPE_CHECKING:
    import keras

# The similarity from which the kernels of soft banks are tied. At `fold`'s own, 0.9, swrn-28-2-2.cifar100 loses 0.7
# points before anything is rounded; the others that ship fold alike at both.
THRESHOLD = 0.93
# On how many images the normalizations of a folded network are measured anew.
REESTIMATED = 5000


class QuantizedFile(Report):
    """A file in int8.

    Attributes:
        path: str, of the file.
        bytes: int, on disk.
        score: what it reaches, as the checkpoint's headline is measured.
    """

    path: str
    bytes: int
    score: Score


class Quantized(Report):
    """What `quantize` made.

    Attributes:
        folder: str, the checkpoint's.
        parent: str, the name of the checkpoint that it was made from.
        score: what the network itself reaches, in float32.
        files: the files in int8.
    """

    folder: str
    parent: str
    score: Score
    files: tuple[QuantizedFile, ...]

    def __rich__(self) -> RenderableType:
        table = Table("file", "bytes", self.score.metric, title=f"{self.folder}, from {self.parent}")
        table.add_row("the network, in float32", "", self.score.rounded)
        for file in self.files:
            table.add_row(Path(file.path).name, f"{file.bytes:,}", file.score.rounded)
        return table


def quantize(
    name: str | Path,
    data: str,
    out: str | Path,
    formats: Sequence[str] = ("onnx", "litert"),
    limit: int | None = None,
    overwrite: bool = False,
) -> Quantized:
    """Make a checkpoint of another one that holds its network in int8 as well, measured, ready to be published.

    Its weights are those of the other one; soft banks are folded first, since a file holds one kernel a slot of them.
    Each file is calibrated on training images and measured on the test images; the record has its scores, which
    `recurzoo.verify` measures again.

    Args:
        name: what `recurzoo.load` takes.
        data: words for the data set it was trained on, as `recurzoo.evaluate` takes them.
        out: path of the new checkpoint's folder.
        formats: of the files: `"onnx"`, `"litert"`.
        limit: int, how many test examples to measure on at most; None for all.
        overwrite: bool, whether a checkpoint that is there may be replaced.

    Returns:
        A `Quantized`.

    Raises:
        ValueError: if the data are not there or not what it takes, or a format is not one of these.
        FileExistsError: if there is something in the folder; an OSError.
        ImportError: if the formats' modules are not installed.
        ExportError: as `export` raises it.

    Example:
        >>> recurzoo.quantize("swrn-28-2-2", "tfds:cifar10", "swrn-28-2-2.cifar10.int8")
        >>> recurzoo.publish("swrn-28-2-2.cifar10.int8", "user/swrn-28-2-2-int8")
    """
    if unknown := [format for format in formats if format not in EXPORTS]:
        raise ValueError(f"A checkpoint holds files of {', '.join(EXPORTS)}. Received: formats={unknown}")
    for format in formats:
        get_format(format, int8=True)
    folder = refuse_other_content(out, overwrite)
    model, record = model_and_record(name)
    task = open_task(data, model, record, train=True, limit=limit)
    network = folded_for_int8(model, task, record)
    tied = None if network is model else THRESHOLD
    parent = Parent(action="quantize", checkpoint=record.name, threshold=tied)
    made = {"name": folder.name, "parent": parent, "versions": describe_versions(), "files": {}}
    record = record.replace(scores=task.scores(network), **made)
    images, files = task.sample(None, CALIBRATION), []
    folder.parent.mkdir(parents=True, exist_ok=True)
    # All of it, or nothing, takes the place of what is there.
    with draft(folder) as partial:
        record = save(network, partial, record)
        for format in formats:
            path = partial / EXPORTS[format]
            with recording(partial, path.name):
                size = export(network, path, format, int8=images).bytes  # type: ignore[arg-type]
            scores = file_scores(path, task)
            record = read_record(partial).with_scores(*scores)
            write_record(partial, record)
            files.append(QuantizedFile(path=str(folder / path.name), bytes=size, score=_like(record.headline, scores)))
    assert record.headline is not None
    return Quantized(folder=str(folder), parent=parent.checkpoint, score=record.headline, files=tuple(files))


def without_soft_banks(model: keras.Model) -> keras.Model:
    """The model, or folded where it has soft banks, so that a file has fewer kernels than they have slots."""
    return fold(model, THRESHOLD) if has_soft_banks(model) else model


def folded_for_int8(model: keras.Model, task: Task, record: Record) -> keras.Model:
    """The model, or folded with statistics of training images where it has soft banks."""
    network = without_soft_banks(model)
    if network is not model:
        reestimate_batch_norm(network, task.sample(record.recipe)[:REESTIMATED])
    return network


def file_scores(path: Path, task: Task) -> tuple[Score, ...]:
    """What a file of a checkpoint reaches in its runtime; scores that tell which file they are of."""
    format = format_of(path)
    assert format is not None
    model: Any = FileModel(get_format(format).load(path))
    return tuple(score.replace(model=path.name) for score in task.scores(model))


def _like(headline: Score | None, scores: Sequence[Score]) -> Score:
    """Of a file's scores the one that is measured as the headline is."""
    assert headline is not None
    return next(s for s in scores if (s.metric, s.phase) == (headline.metric, headline.phase))
