"""A line of the results: what a checkpoint's record, the runs beside it and the catalog say of it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from recurzoo.base.records import FrozenModel
from recurzoo.catalog import catalog
from recurzoo.catalog.names import plain_twin
from recurzoo.catalog.recipe import Recipe
from recurzoo.checkpoints.folder import RECORD, SAFETENSORS
from recurzoo.checkpoints.record import Metric, Parent, Record, Score
from recurzoo.zoo.listing import read_records, warn

# In a folder of checkpoints, that of runs whose weights do not ship: RECIPE.seed-N/record.json.
RUNS = "runs"


class Measured(FrozenModel):
    """What is measured on a checkpoint's model, and stands in no record.

    Attributes:
        macs: multiply-accumulates of one image of the size that the model takes.
        folded_onnx_bytes: of its ONNX file, soft sharing folded first.
        twin_parameters: of the same network with nothing shared.
        int8_bytes: of its LiteRT file in int8, soft sharing folded first.
        int8_value: what that file reaches, by the row's metric, on as many examples.
    """

    macs: int | None = None
    folded_onnx_bytes: int | None = None
    twin_parameters: int | None = None
    int8_bytes: int | None = None
    int8_value: float | None = None


class ResultRow(Measured):
    """A line of `results.csv`, whose columns are these fields.

    Attributes:
        name: the checkpoint's; the recipe's, where the weights do not ship.
        architecture: its name.
        dataset: what it was trained on.
        parameters: trainable ones.
        bytes: of the file of weights; None where it does not ship.
        sha256: of the file of weights.
        made: what was done to another checkpoint to make this one, such as `fold`.
        metric: by which it is compared.
        phase: of that metric.
        value: measured on the stored weights; without them, on those of the run with the lowest seed.
        examples: how many it was measured on.
        runs: how many seeds of the recipe were run.
        mean: of their values.
        spread: their standard deviation, if there are several.
        recipe: its name.
        epochs: trained.
        training_seconds: over all sessions.
        hardware: what it was trained on.
        twin: the same network with nothing shared.
        twin_value: the mean of the runs of the twin by the same schedule, on the same examples.
        twin_spread: their standard deviation.
        twin_runs: how many there are.
        paper_accuracy: in percent, that the paper reports for this architecture and data set.
        paper_source: where it stands there.
    """

    name: str
    architecture: str
    dataset: str | None = None
    parameters: int
    bytes: int | None = None
    sha256: str | None = None
    made: str | None = None
    metric: Metric | None = None
    phase: int | None = None
    value: float | None = None
    examples: int | None = None
    runs: int | None = None
    mean: float | None = None
    spread: float | None = None
    recipe: str | None = None
    epochs: int | None = None
    training_seconds: float | None = None
    hardware: str | None = None
    twin: str | None = None
    twin_value: float | None = None
    twin_spread: float | None = None
    twin_runs: int | None = None
    paper_accuracy: float | None = None
    paper_source: str | None = None

    @property
    def share(self) -> float | None:
        """The parameters, by those of the plain twin."""
        return self.parameters / self.twin_parameters if self.twin_parameters else None

    @property
    def measured(self) -> Measured:
        """The columns that are measured on the model."""
        return Measured(**{name: getattr(self, name) for name in Measured.model_fields})

    def with_measured(self, measured: Measured) -> ResultRow:
        """This row with other measured columns."""
        return self.replace(**measured.to_dict())

    def differences(self, other: ResultRow) -> list[str]:
        """The columns but for the measured ones where another row has something else, a sentence each."""
        return [
            f"{name} is {getattr(other, name)}, not {getattr(self, name)}"
            for name in ResultRow.model_fields
            if name not in Measured.model_fields and getattr(self, name) != getattr(other, name)
        ]

    def in_words(self, value: float | None, spread: float | None = None, runs: int | None = None) -> str:
        """A value of this row's metric and, if it is the mean of several runs, their spread."""
        if self.metric is None or value is None:
            return ""
        words = Score(metric=self.metric, value=value).rounded
        if spread is not None:
            words += f" ± {Score(metric=self.metric, value=spread).rounded}"
        return words + (" F1" if self.metric == "f1" else "") + (f" in {runs} runs" if spread is not None else "")

    @property
    def value_in_words(self) -> str:
        """The figure of the stored weights and, where the recipe was run more than once, the mean of all runs."""
        several = "" if self.spread is None else f" ({self.in_words(self.mean, self.spread, self.runs)})"
        return self.in_words(self.value) + several

    @property
    def twin_in_words(self) -> str:
        """The plain twin's figure."""
        return self.in_words(self.twin_value, self.twin_spread, self.twin_runs)


def rows_in(weights: Path, report: Callable[[Path, str], None] = warn) -> list[ResultRow]:
    """The rows of a folder of checkpoints and runs, in order of name; nothing in the columns that are measured.

    Args:
        weights: the folder.
        report: called with the folder of each record that is left out, and why it is.

    Raises:
        ValueError: if a checkpoint's record does not list its file of weights.
    """
    shipped = read_records(checkpoints_in(weights), report)
    runs = read_records(checkpoints_in(weights / RUNS), report, check=_check_run)
    records = [*shipped, *runs]
    rows = [_shipped_row(record, records) for record in shipped]
    plans = [_plan(record) for record in shipped]
    for run in sorted(runs, key=_seed):
        if (plan := _plan(run)) is not None and plan not in plans:
            plans.append(plan)
            rows.append(ResultRow.from_dict({"name": plan[0].name, **_columns(run, records)}))
    return sorted(rows, key=lambda row: row.name)


def checkpoints_in(weights: Path) -> list[Path]:
    """The folders with a record in a folder, in order of name."""
    # What begins with a dot is a checkpoint being written.
    found = weights.iterdir() if weights.is_dir() else ()
    return sorted(child for child in found if not child.name.startswith(".") and (child / RECORD).is_file())


def _check_run(record: Record, name: str, folder: Path) -> None:
    if record.recipe is None or f"{record.recipe.name}.seed-{record.recipe.seed}" != name:
        raise ValueError(f"A run's folder is named RECIPE.seed-N as its record says. Received: {str(folder)!r}")


def _shipped_row(record: Record, records: Sequence[Record]) -> ResultRow:
    if SAFETENSORS not in record.files:
        raise ValueError(
            f"A result is of recorded weights. Received: the record of {record.name!r}, whose files are "
            f"{', '.join(record.files) or 'none'}; save the checkpoint again"
        )
    weights = record.files[SAFETENSORS].to_dict()
    return ResultRow.from_dict({"name": record.name, **weights, **_columns(record, records)})


def _columns(record: Record, records: Sequence[Record]) -> dict[str, Any]:
    """What a record, all others in its folder and the catalog say of a checkpoint or a run."""
    headline, recipe, dataset = record.headline, record.recipe, record.dataset.name if record.dataset else None
    twin = plain_twin(catalog.architecture(record.architecture))
    columns = {
        "architecture": record.architecture,
        "dataset": dataset,
        "parameters": record.parameters,
        "made": record.parent.action if record.parent else None,
        "recipe": recipe.name if recipe else None,
        "epochs": record.epochs,
        "training_seconds": record.training_seconds,
        "hardware": record.hardware,
        "twin": twin,
        **_paper_figure(record.architecture, dataset),
    }
    if headline is None:
        return columns
    own = _values(headline, record, *(other for other in records if recipe and _plan(other) == _plan(record)))
    twins = _values(headline, *(other for other in records if recipe and _is_by_schedule(other, twin, recipe)))
    return {
        **columns,
        **headline.model_dump(include={"metric", "phase", "value", "examples"}),
        **dict(zip(("runs", "mean", "spread"), _summarize(own), strict=True)),
        **dict(zip(("twin_runs", "twin_value", "twin_spread"), _summarize(twins), strict=True)),
    }


def _seed(record: Record) -> int:
    return record.recipe.seed if record.recipe else 0


def _plan(record: Record) -> tuple[Recipe, str, Parent | None] | None:
    """What runs have in common that differ in nothing but their seeds; None without a recipe."""
    return None if record.recipe is None else (record.recipe.replace(seed=0), record.architecture, record.parent)


def _is_by_schedule(record: Record, architecture: str | None, recipe: Recipe) -> bool:
    """Whether a record is of another architecture's run by the recipe that has the same name but for that."""
    schedule = recipe.name.removeprefix(f"{recipe.architecture}.")
    return (
        record.recipe is not None
        and record.parent is None
        and record.architecture == record.recipe.architecture == architecture
        and record.recipe.name == f"{architecture}.{schedule}"
    )


def _values(headline: Score, *records: Record) -> list[float]:
    """What was measured like a score: one figure a seed, that of the first record with the seed."""
    values: dict[int, float] = {}
    for record in records:
        for score in record.scores:
            if score.condition == headline.condition and score.value is not None:
                values.setdefault(_seed(record), score.value)
    return list(values.values())


def _summarize(values: Sequence[float]) -> tuple[int | None, float | None, float | None]:
    """How many there are, their mean and, of several, their standard deviation."""
    if not values:
        return None, None, None
    return len(values), statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None


def _paper_figure(architecture: str, dataset: str | None) -> dict[str, Any]:
    """The accuracy that the paper reports, and where; of several the first, which is the one without extras."""
    for figure in catalog.figures(architecture):
        if dataset in figure.errors:
            source = f"{figure.source}: {figure.training_in_words}"
            return {"paper_accuracy": round(100 - figure.errors[dataset], 4), "paper_source": source}
    return {}
