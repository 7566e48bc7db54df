"""A checkpoint's metrics, measured again on the examples that its record names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recurzoo.checkpoints.record import Record
from recurzoo.checkpoints.scores import FINGERPRINT, GRIDS, scores
from recurzoo.results.measuring import measure_what_can_be
from recurzoo.results.row import Measured
from recurzoo.zoo.loading import load

if TYPE_CHECKING:
    import keras

    from recurzoo.data.sets import ImageData
    from recurzoo.models import ZooModel

# How far a share of 1 may be from the recorded one on another backend, whose arithmetic rounds otherwise.
OTHER_BACKEND = 1e-3
# How far a loss may be from the recorded one: on another processor, sums come out in another order.
ROUNDING = 1e-4
# More are not in any record of ours, and would fill the memory.
MOST_GRIDS = 100_000

# From `(height, width)` to a data set's test images of that size.
ReadImages = Callable[[tuple[int, int]], "ImageData"]


@dataclass(frozen=True)
class Remeasured:
    """What measuring a checkpoint again gave.

    Attributes:
        metrics: by the names of the record.
        sizes: its operations, and the bytes of its ONNX file where it can be exported.
        reason: why there are no metrics, or None.
        problem: what is wrong with the checkpoint, or None.
    """

    metrics: dict[str, Any] = field(default_factory=dict)
    sizes: Measured = field(default_factory=Measured)
    reason: str | None = None
    problem: str | None = None


def remeasure(folder: Path, record: Record, read_images: ReadImages | None) -> Remeasured:
    """Measure a checkpoint again, if the examples that its record names are at hand.

    Args:
        folder: of the checkpoint.
        record: its `Record`.
        read_images: reads the test images of a data set; None if there is none.

    Returns:
        A `Remeasured`.

    Raises:
        ValueError: if there are no such data.
    """
    from recurzoo.tasks.evaluation import check_classifier

    if GRIDS not in record.metrics and FINGERPRINT not in record.metrics:
        return Remeasured(reason="its record does not say on which examples its metrics were measured")
    if GRIDS not in record.metrics and read_images is None:
        return Remeasured(reason="these data have no images")
    try:
        model = load(folder)
        sizes = measure_what_can_be(model)
        if GRIDS in record.metrics:
            return Remeasured(_on_grids(model, record), sizes)
        check_classifier(model, record)
    except (ValueError, OSError) as error:
        return Remeasured(reason="it cannot be", problem=str(error))
    assert read_images is not None
    return _on_images(model, record, read_images(model.input_shape[1:3]), sizes)


def _on_grids(model: keras.Model, record: Record) -> dict[str, Any]:
    from recurzoo.tasks.path_finding import path_metrics, score_phases

    count = record.metrics[GRIDS]
    phases = len({score.phase for score in scores(record.metrics) if score.phase})
    if not isinstance(count, int) or not 1 <= count <= MOST_GRIDS or not phases:
        raise ValueError(
            f"A record tells the F1 of each phase on 1 to {MOST_GRIDS} grids. Received: {GRIDS}={count!r}, with "
            f"{phases} phases"
        )
    return path_metrics(score_phases(model, record.name, count, phases), count)


def _on_images(model: ZooModel, record: Record, images: ImageData, sizes: Measured) -> Remeasured:
    from recurzoo.tasks.evaluation import as_labelled, test_metrics

    try:
        images = as_labelled(images, model, record)
    except ValueError:
        return Remeasured(sizes=sizes, reason=f"its classes are not those of the data, {images.source}")
    if images.test.fingerprint != record.metrics[FINGERPRINT]:
        return Remeasured(sizes=sizes, reason=f"its test images are not those of the data, {images.source}")
    return Remeasured(test_metrics(model, images.test), sizes)


def compare_metrics(recorded: Mapping[str, Any], measured: Mapping[str, Any], same_backend: bool) -> list[str]:
    """The differences between a record's metrics and those measured again.

    Args:
        recorded: a record's metrics.
        measured: a part of them, measured again.
        same_backend: bool, whether on the recorded backend. Then accuracies and F1 must be equal.

    Returns:
        A sentence for each difference.
    """
    problems = []
    for name, value in measured.items():
        expected = recorded.get(name)
        if isinstance(value, float) and isinstance(expected, float):
            allowed = ROUNDING if name.endswith("loss") else 0 if same_backend else OTHER_BACKEND
            # Written so that NaN is a difference.
            same = abs(value - expected) <= allowed
        else:
            same = value == expected
        if not same:
            problems.append(f"{name} is {value}, recorded as {expected}")
    return problems
