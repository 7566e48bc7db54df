"""Exported files on data."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from recurzoo.checkpoints.folder import RECORD, read_record
from recurzoo.checkpoints.record import Record
from recurzoo.exporting.exporter import CALIBRATION, export
from recurzoo.exporting.formats import FORMATS, format_of, get_format
from recurzoo.exporting.quantizing import folded_for_int8
from recurzoo.exporting.runtime import FileModel
from recurzoo.tasks.task import open_task
from recurzoo.zoo.evaluating import Evaluation, model_and_record


def is_file(name: str | os.PathLike[str]) -> bool:
    """Whether a name is the path of a file that an export may have written, by its ending."""
    path = Path(name)
    return path.is_file() and format_of(path) is not None


def evaluate_file(path: str | os.PathLike[str], data: str, limit: int | None = None) -> Evaluation:
    """Measure an exported file on the test examples of a data set, in its runtime.

    Args:
        path: of an ONNX, LiteRT or C file that `export` wrote. The names of its classes are those of the record beside
            it, if it lies in a checkpoint's folder; else its outputs are taken to be the data's classes in their order.
        data: words as `recurzoo.evaluate` takes them.
        limit: int, how many test examples (of each phase) at most; None for all.

    Returns:
        An `Evaluation`.

    Raises:
        ValueError: if the path is no such file, or the data are not there or not what it takes.
        ImportError: if the format's runtime is not installed.

    Example:
        >>> recurzoo.evaluate_file("rc.tflite", "tfds:cifar10").scores
    """
    path = Path(path)
    name = format_of(path)
    if name is None or not path.is_file():
        endings = ", ".join(found.suffix for found in FORMATS.values() if found.suffix)
        raise ValueError(f"An exported file is measured by its path, which ends in {endings}. Received: {str(path)!r}")
    runtime = get_format(name, int8=name == "c").load(path)
    beside = read_record(path.parent) if (path.parent / RECORD).is_file() else None
    record = beside if beside is not None and path.name in beside.files else Record(name=path.name, architecture=name)
    model: Any = FileModel(runtime)
    task = open_task(data, model, record, limit=limit)
    return Evaluation(model=f"{path.name} in {runtime.name}", data=task.source, scores=task.scores(model), recorded=())


def measure_int8(name: str | Path, data: str, limit: int | None = None) -> tuple[int, float]:
    """What a checkpoint weighs and reaches as a LiteRT file in int8, soft sharing folded first.

    Args:
        name: what `recurzoo.load` takes.
        data: words for the data set it was trained on, whose training images calibrate it.
        limit: int, how many test examples at most; None for all.

    Returns:
        Bytes of the file, and its score by the task's metric.

    Raises:
        ValueError: if the data are not there, or not what the checkpoint takes.
        ImportError: if the modules for export are not installed.
    """
    model, record = model_and_record(name)
    task = open_task(data, model, record, train=True, limit=limit)
    network = folded_for_int8(model, task, record)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.tflite")
        size = export(network, path, "litert", int8=task.sample(None, CALIBRATION)).bytes
        return size, task.score(FORMATS["litert"].load(path).run_all(task.test.images), task.test.labels)
