"""`recurzoo list` and `recurzoo info`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from recurzoo.base.records import Report
from recurzoo.catalog import catalog
from recurzoo.catalog.names import split_tag
from recurzoo.checkpoints.data import classes_in_words
from recurzoo.checkpoints.folder import read_record
from recurzoo.checkpoints.scores import Headline, describe, headline, others_in_words, readouts, scores
from recurzoo.cli.options import Json, Name
from recurzoo.zoo.finding import checkpoint_for, find_checkpoints
from recurzoo.zoo.listing import ModelInfo, info, list_models


@dataclass(frozen=True)
class ListedModel:
    """A row of the list, with the score by which the checkpoint is compared."""

    name: str
    parameters: int | None
    checkpoint: str | None
    measured: Headline | None


@dataclass(frozen=True)
class ModelList(Report):
    """What `recurzoo list` found."""

    models: tuple[ListedModel, ...]

    def __rich__(self) -> RenderableType:
        table = Table("name", "parameters", "weights", "measured", box=None, pad_edge=False)
        table.columns[1].justify = "right"
        for model in self.models:
            count = "" if model.parameters is None else f"{model.parameters:,}"
            measured = describe(model.measured) if model.checkpoint else ""
            table.add_row(Text(model.name), count, Text(model.checkpoint or ""), measured)
        return table


@dataclass(frozen=True)
class ModelDescription(Report):
    """What `recurzoo info` tells."""

    model: ModelInfo

    def to_dict(self) -> dict[str, Any]:
        return self.model.to_dict()

    def __rich__(self) -> RenderableType:
        model, table = self.model, Table(show_header=False, box=None, pad_edge=False)
        paper = model.paper
        by = f"{' and '.join(paper.authors)}: " if paper.authors else ""
        rows = {
            "architecture": model.architecture,
            "parameters": f"{model.parameters:,}",
            "while training": f"{model.training_parameters:,}" * (model.training_parameters != model.parameters),
            "sharing": model.sharing,
            "checkpoint": model.checkpoint or "none: there are no weights of this name",
            "weights": ", ".join(model.weights),
            "classes": classes_in_words(model.class_names) if model.class_names else "",
            **_measured(model),
            "trained by": model.recipe,
            "recipes": ", ".join(model.recipes),
            "licences": "; ".join(f"{of}: {licence or 'not stated'}" for of, licence in model.licences.items()),
            "paper": f"{by}{paper.title} ({paper.venue} {paper.year}){f', {paper.url}' if paper.url else ''}",
        }
        for key, value in rows.items():
            if value:
                # Not strings, whose brackets would be read as markup.
                table.add_row(Text(key), Text(value))
        for figure in model.figures:
            errors = ", ".join(f"{data} {error}%" for data, error in figure.errors.items())
            table.add_row("paper's error", f"{errors} ({figure.source}: {figure.training_in_words})")
        return Group(Text(model.name), table)


def _measured(model: ModelInfo) -> dict[str, str]:
    """A checkpoint's metrics, a row for each kind of score, and what they were measured on."""
    rows: dict[str, list[str]] = {}
    for score in scores(model.metrics):
        phase = f"phase {score.phase}: " if score.phase else ""
        rows.setdefault(score.name[0].lower() + score.name[1:], []).append(phase + score.rounded)
    for time, told in readouts(model.metrics).items():
        for way, accuracy in told.items():
            rows.setdefault(f"read out at, {way}", []).append(f"{time}: {accuracy:.2%}")
    return {
        **{name: ", ".join(values) for name, values in rows.items()},
        **others_in_words(model.metrics, model.baseline),
        "measured on": model.measured_on or "",
    }


def list_(
    pattern: Annotated[
        str, typer.Argument(help="Names with the wildcards * and ?; with a dot in it, checkpoints.")
    ] = "*",
    pretrained: Annotated[bool, typer.Option("--pretrained", help="Only what has weights.")] = False,
    json: Json = False,
) -> Report:
    """List architectures, or checkpoints."""
    return ModelList(tuple(_row(name) for name in list_models(pattern, pretrained or None)))


def _row(name: str) -> ListedModel:
    checkpoint = checkpoint_for(name)
    record = read_record(find_checkpoints()[checkpoint]) if checkpoint else None
    facts = catalog.architecture_facts(split_tag(name)[0])
    parameters = record.parameters if record else facts.parameters if facts else None
    return ListedModel(name, parameters, checkpoint, headline(record.metrics) if record else None)


def info_(name: Name, json: Json = False) -> Report:
    """Tell what is known of an architecture or a checkpoint."""
    return ModelDescription(info(name))
