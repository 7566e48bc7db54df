"""`recurzoo fold` and `recurzoo export`: from a trained network to a small file."""

from __future__ import annotations

import contextlib
import dataclasses
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recurzoo.commands.options import Json, Name, OptionalData
from recurzoo.registry.scores import FINGERPRINT
from recurzoo.reports import Report

if TYPE_CHECKING:
    from recurzoo.registry.spec import Record
    from recurzoo.training.datasets import ImageData


class Format(StrEnum):
    """Formats of export."""

    ONNX = "onnx"
    LITERT = "litert"
    SAVED_MODEL = "saved_model"


def fold_(
    name: Name,
    out: Annotated[Path, typer.Option("--out", help="Folder for the folded checkpoint.")],
    threshold: Annotated[float, typer.Option("--threshold", help="Similarity from which kernels are tied.")] = 0.9,
    data: OptionalData = None,
    json: Json = False,
) -> Report:
    """Tie similar kernels, so that loops appear; with --data, measure accuracy and normalisation statistics anew."""
    from recurzoo.folding import fold
    from recurzoo.registry import checkpoint
    from recurzoo.registry.loading import load
    from recurzoo.registry.shelf import find_folder
    from recurzoo.training.augmentation import sample_as_recorded
    from recurzoo.training.datasets import load_data
    from recurzoo.training.evaluation import test_metrics

    folder = find_folder(name)
    record = checkpoint.read_record(folder)
    model = load(folder)
    if data is None:
        folded = fold(model, threshold)
        metrics = {}
    else:
        images = load_data(data, model.input_shape[1:3]).relabelled(record.class_names)
        seen = sample_as_recorded(images.train.images, record, model)
        folded = fold(model, threshold, (images.test.images, images.test.labels), seen)
        metrics = test_metrics(folded, images.test)
        record = _noting(record, images)
    report = folded.fold_report
    recipe = {**record.recipe, "folded": {"from": record.name, "threshold": threshold}}
    checkpoint.save(folded, out, dataclasses.replace(record, name=out.name, recipe=recipe, metrics=metrics))
    return report


def _noting(record: Record, images: ImageData) -> Record:
    """A record whose data set tells of other images, if a fold was measured on others than the checkpoint was."""
    dataset = record.dataset
    if dataset is None or record.metrics.get(FINGERPRINT) == images.test.fingerprint:
        return record
    used = ", ".join(filter(None, [f"folded and measured on {images.source}", images.note]))
    note = "; ".join(filter(None, [dataset.note, used]))
    return dataclasses.replace(record, dataset=dataclasses.replace(dataset, note=note))


def export_(
    name: Name,
    format: Annotated[Format, typer.Option("--format", help="The file's format.")],
    out: Annotated[
        Path,
        typer.Option(
            "--out", help="The file, or the folder of a SavedModel; model.onnx or model.tflite in NAME's own folder."
        ),
    ],
    materialize: Annotated[
        bool, typer.Option("--materialize", help="Write the kernels that soft banks give: faster, larger.")
    ] = False,
    json: Json = False,
) -> Report:
    """Write ONNX, LiteRT or SavedModel, run the file and check its outputs and bytes; NAME's own folder records it."""
    from recurzoo.exporting import export
    from recurzoo.registry.checkpoint import RECORD, recording
    from recurzoo.registry.loading import load
    from recurzoo.registry.shelf import find_folder

    folder = find_folder(name)
    inside = (out.parent / RECORD).is_file()
    if inside:
        _refuse_other_names(out, format, folder)
    with recording(out.parent, out.name) if inside else contextlib.nullcontext():
        return export(load(folder), out, format.value, materialize)


def _refuse_other_names(out: Path, format: Format, folder: Path) -> None:
    from recurzoo.registry.checkpoint import EXPORTS

    if not out.parent.samefile(folder):
        raise ValueError(
            "A checkpoint's folder holds exports of that checkpoint alone. "
            f"Received: --out {str(out)!r} for {str(folder)!r}; choose another folder"
        )
    if out.name != EXPORTS.get(format.value):
        allowed = ", ".join(f"{name} for {format}" for format, name in EXPORTS.items())
        raise ValueError(
            f"In a checkpoint's folder an export has a name of its own: {allowed}. "
            f"Received: --out {str(out)!r} for {format.value}; take that name or another folder"
        )
