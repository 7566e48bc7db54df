"""`recurzoo fold`."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recurzoo.base.records import Report
from recurzoo.checkpoints.scores import FINGERPRINT, describe, headline
from recurzoo.cli.options import Json, Name, OptionalData

if TYPE_CHECKING:
    from recurzoo.checkpoints.record import Record
    from recurzoo.data.sets import ImageData
    from recurzoo.models import ZooModel


def fold_(
    name: Name,
    out: Annotated[Path, typer.Option("--out", help="Folder for the folded checkpoint.")],
    threshold: Annotated[float, typer.Option("--threshold", help="Similarity from which kernels are tied.")] = 0.9,
    data: OptionalData = None,
    json: Json = False,
) -> Report:
    """Tie similar kernels, so that loops appear; with --data, measure accuracy and normalisation statistics anew."""
    from recurzoo.base.environment import describe_versions
    from recurzoo.checkpoints import folder as checkpoint
    from recurzoo.checkpoints.data import SHORTEST_PATHS
    from recurzoo.rewriting import fold
    from recurzoo.zoo.finding import find_folder
    from recurzoo.zoo.loading import load

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
    from recurzoo.rewriting import fold
    from recurzoo.tasks.path_finding import check_path_finder, grids_as_recorded, path_metrics, score_phases

    size = check_path_finder(model, name)
    seen, curriculum = grids_as_recorded(record, size)
    folded = fold(model, threshold, train_images=seen.images)
    count = curriculum.test_examples
    metrics = path_metrics(score_phases(folded, name, count, curriculum.phases), count)
    print(f"after folding: {describe(headline(metrics))}", file=sys.stderr)
    return folded, dataclasses.replace(record, metrics=metrics)


def _fold_on_images(data: str, model: ZooModel, record: Record, threshold: float) -> tuple[ZooModel, Record]:
    from recurzoo.data.augmentation import sample_as_recorded
    from recurzoo.rewriting import fold
    from recurzoo.tasks.evaluation import load_images, test_metrics

    images = load_images(data, model, record)
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
