"""`recurzoo list` and `recurzoo info`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.table import Table

from recurzoo.commands.options import Json, Name
from recurzoo.registry import catalog
from recurzoo.registry.checkpoint import read_record
from recurzoo.registry.listing import info, list_models
from recurzoo.registry.names import split_tag
from recurzoo.registry.shelf import checkpoint_for, find_checkpoints
from recurzoo.registry.spec import ModelInfo
from recurzoo.reports import Report


@dataclass(frozen=True)
class ListedModel:
    """A row of the list; the accuracy is the checkpoint's, a share of 1."""

    name: str
    parameters: int | None
    checkpoint: str | None
    test_accuracy: float | None


@dataclass(frozen=True)
class ModelList(Report):
    """What `recurzoo list` found."""

    models: tuple[ListedModel, ...]

    def __rich__(self) -> RenderableType:
        table = Table("name", "parameters", "weights", "test accuracy", box=None, pad_edge=False)
        table.columns[1].justify = table.columns[3].justify = "right"
        for model in self.models:
            count = "" if model.parameters is None else f"{model.parameters:,}"
            accuracy = "" if model.test_accuracy is None else f"{model.test_accuracy:.2%}"
            table.add_row(model.name, count, model.checkpoint or "", accuracy)
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
            "loads": model.checkpoint or "nothing: there are no weights of this name",
            "weights": ", ".join(model.weights),
            **{key.replace("_", " "): str(value) for key, value in model.metrics.items()},
            "trained by": model.recipe,
            "recipes": ", ".join(model.recipes),
            "licences": "; ".join(f"{of}: {licence or 'not stated'}" for of, licence in model.licences.items()),
            "paper": f"{by}{paper.title} ({paper.venue} {paper.year}){f', {paper.url}' if paper.url else ''}",
        }
        for key, value in rows.items():
            if value:
                table.add_row(key, value)
        for figure in model.figures:
            errors = ", ".join(f"{data} {error}%" for data, error in figure.errors.items())
            table.add_row("paper's error", f"{errors} ({figure.source}: {figure.training_in_words})")
        return Group(model.name, table)


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
    return ListedModel(name, parameters, checkpoint, record.metrics.get("test_accuracy") if record else None)


def info_(name: Name, json: Json = False) -> Report:
    """Tell what is known of an architecture or a checkpoint."""
    return ModelDescription(info(name))
