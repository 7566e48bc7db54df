"""`recurzoo recipes`."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from recurzoo.base.records import Report
from recurzoo.catalog.recipe import Recipe, recipes
from recurzoo.cli.options import Json

COLUMNS = {
    "name": "name",
    "architecture": "architecture",
    "dataset": "data set",
    "epochs": "epochs",
    "batch_size": "batch",
    "precision": "precision",
}


class RecipeList(Report):
    """What `recurzoo recipes` found."""

    recipes: tuple[Recipe, ...]

    def __rich__(self) -> RenderableType:
        table = Table(*COLUMNS.values(), box=None, pad_edge=False)
        for recipe in self.recipes:
            table.add_row(*(Text(str(getattr(recipe, field))) for field in COLUMNS))
        return table

    def to_dict(self) -> dict[str, Any]:
        return {"recipes": [recipe.model_dump(include=set(COLUMNS)) for recipe in self.recipes]}


def recipes_(
    pattern: Annotated[str, typer.Argument(help="Names with the wildcards * and ?, such as 'rc-4*.paper'.")] = "*",
    json: Json = False,
) -> Report:
    """List the recipes that `recurzoo train` takes."""
    return RecipeList(recipes=tuple(recipes(pattern)))
