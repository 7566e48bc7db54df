"""`recurzoo fold` and `recurzoo export`: from a trained network to a small file."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recurzoo.commands.options import Json, Name, OptionalData
from recurzoo.registry.scores import FINGERPRINT, describe, headline
from recurzoo.reports import Report

if TYPE_CHECKING:
    from recurzoo.models import ZooModel
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
    from recurzoo.environment import describe_versions
    from recurzoo.folding import fold
    from recurzoo.registry import checkpoint
    from recurzoo.registry.loading import load
    from recurzoo.registry.shelf import find_folder
    from recurzoo.training.path_finding import DATA as SHORTEST_PATHS

    folder = find_folder(name)
    record, model = checkpoint.read_record(folder), load(folder)
    if data is None:
        folded, record = fold(model, threshold), dataclasses.replace(record, metrics={})
    elif data == SHORTEST_PATHS:
        folded, record = _fold_on_grids(name, model, record, threshold)
    else:
        folded, record = _fold_on_images(data, model, record, threshold)
    recipe = {**record.recipe, "folded": {"from": record.name, "threshold": threshold}}
    record = dataclasses.replace(record, name=out.name, recipe=recipe, versions=describe_versions())
    checkpoint.save(folded, out, record)
    return folded.fold_report


def _fold_on_grids(name: str, model: ZooModel, record: Record, threshold: float) -> tuple[ZooModel, Record]:
    from recurzoo.folding import fold
    from recurzoo.training.path_finding import check_path_finder, grids_as_recorded, path_metrics, score_phases

    size = check_path_finder(model, name)
    seen, curriculum = grids_as_recorded(record, size)
    folded = fold(model, threshold, train_images=seen.images)
    count = curriculum.test_examples
    metrics = path_metrics(score_phases(folded, name, count, curriculum.phases), count)
    print(f"after folding: {describe(headline(metrics))}", file=sys.stderr)
    return folded, dataclasses.replace(record, metrics=metrics)


def _fold_on_images(data: str, model: ZooModel, record: Record, threshold: float) -> tuple[ZooModel, Record]:
    from recurzoo.folding import fold
    from recurzoo.training.augmentation import sample_as_recorded
    from recurzoo.training.datasets import load_data
    from recurzoo.training.evaluation import test_metrics

    images = load_data(data, model.input_shape[1:3]).relabelled(record.class_names)
    seen = sample_as_recorded(images.train.images, record, model)
    folded = fold(model, threshold, (images.test.images, images.test.labels), seen)
    return folded, dataclasses.replace(_noting(record, images), metrics=test_metrics(folded, images.test))


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
    from recurzoo.registry.hub.client import refuse_to_change_a_download
    from recurzoo.registry.loading import load
    from recurzoo.registry.shelf import find_folder

    folder = find_folder(name)
    inside = (out.parent / RECORD).is_file()
    if inside:
        refuse_to_change_a_download(name, out.parent)
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
