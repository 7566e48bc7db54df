"""A checkpoint's line in the results: what its record and the catalog say, and what is measured on the model."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

from recurzoo.catalog import catalog
from recurzoo.checkpoints.folder import SAFETENSORS
from recurzoo.checkpoints.record import Record, Spec, spec
from recurzoo.checkpoints.scores import Headline, headline


class Measured(NamedTuple):
    """What neither a record nor the catalog knows of a checkpoint.

    Attributes:
        macs: multiply-accumulates of one image; None if not measured.
        folded_onnx_bytes: bytes of its ONNX file, folded; None if not measured.
    """

    macs: int | None = None
    folded_onnx_bytes: int | None = None


@spec
class ResultRow(Spec):
    """A line of `results.csv`, whose columns are these fields.

    Args:
        checkpoint: str, its name.
        architecture: str.
        parameters: int, trainable ones.
        bytes: int, of the file of weights.
        macs: int, multiply-accumulates of one image of the size that the model takes.
        folded_onnx_bytes: int, of its ONNX file, soft sharing folded first.
        metric: str, `test accuracy`, or `F1 in phase N`, the last one's.
        value: float, measured; a share of 1.
        test_examples: int, how many it was measured on.
        runs: int, how many seeds the value is the mean of.
        recipe: str.
        epochs: int.
        training_seconds: float.
        hardware: str.
        dataset: str.
        data_note: str, what stands between the images and the original ones.
        baseline: str, the architecture that the same recipe was run with beside this one.
        baseline_value: float, the metric of that one.
        paper_accuracy: float, in percent, that the paper reports for this architecture and data set.
        paper_source: str, where it stands there.
        sha256: str, of the file of weights.
    """

    checkpoint: str
    architecture: str
    parameters: int
    bytes: int
    macs: int | None = None
    folded_onnx_bytes: int | None = None
    metric: str | None = None
    value: float | None = None
    test_examples: int | None = None
    runs: int | None = None
    recipe: str | None = None
    epochs: int | None = None
    training_seconds: float | None = None
    hardware: str | None = None
    dataset: str | None = None
    data_note: str | None = None
    baseline: str | None = None
    baseline_value: float | None = None
    paper_accuracy: float | None = None
    paper_source: str | None = None
    sha256: str

    @property
    def measured(self) -> Measured:
        """The columns that are measured on the model."""
        return Measured(self.macs, self.folded_onnx_bytes)

    @property
    def headline(self) -> Headline | None:
        """The figure by which this checkpoint is compared."""
        return self._headline(self.value)

    @property
    def baseline_headline(self) -> Headline | None:
        """The baseline's figure, if there is a baseline."""
        return self._headline(self.baseline_value)

    def _headline(self, value: float | None) -> Headline | None:
        return None if self.metric is None or value is None else Headline(self.metric, value, self.test_examples)

    def with_measured(self, measured: Measured) -> ResultRow:
        """This row with other measured columns."""
        return dataclasses.replace(self, **measured._asdict())  # type: ignore[type-var]

    def differences(self, other: ResultRow) -> list[str]:
        """The columns that the record and the catalog give, where another row has something else: a sentence each."""
        mine, theirs = (dataclasses.asdict(row.with_measured(Measured())) for row in (self, other))  # type: ignore[call-overload]
        return [f"{name} is {theirs[name]}, not {mine[name]}" for name in mine if mine[name] != theirs[name]]


def row_of(record: Record) -> ResultRow:
    """The row of a checkpoint.

    Args:
        record: the checkpoint's `Record`.

    Returns:
        A `ResultRow` with nothing in the columns that are measured on the model.

    Raises:
        UnknownNameError: if the record's architecture is not the zoo's; a ValueError.
        ValueError: if the record does not list the file of weights, or its metrics are no numbers.
    """
    if SAFETENSORS not in record.files:
        raise ValueError(
            f"A result is of recorded weights. Received: the record of {record.name!r}, whose files are "
            f"{', '.join(record.files) or 'none'}; save the checkpoint again"
        )
    found = headline(record.metrics)
    beside = headline(record.metrics, of=record.baseline) if record.baseline else None
    values = {
        "checkpoint": record.name,
        "architecture": record.architecture,
        "parameters": record.parameters,
        "bytes": record.files[SAFETENSORS].bytes,
        # A record is of one run, with one seed.
        "runs": None if record.seed is None else 1,
        "recipe": record.recipe_name,
        "epochs": record.epochs,
        "training_seconds": record.training_seconds,
        "hardware": record.hardware,
        "sha256": record.files[SAFETENSORS].sha256,
    }
    if found is not None:
        values |= {"metric": found.metric, "value": found.value, "test_examples": found.examples}
    if beside is not None:
        values |= {"baseline": record.baseline, "baseline_value": beside.value}
    if record.dataset is not None:
        values |= {"dataset": record.dataset.name, "data_note": record.dataset.note}
        values |= _paper_figure(record.architecture, record.dataset.name)
    return ResultRow.from_dict(values)


def _paper_figure(architecture: str, dataset: str) -> dict[str, Any]:
    """The accuracy that the paper reports, and where; of several the first, which is the one without extras."""
    for figure in catalog.figures(architecture):
        if dataset in figure.errors:
            source = f"{figure.source}: {figure.training_in_words}"
            return {"paper_accuracy": round(100 - figure.errors[dataset], 4), "paper_source": source}
    return {}
