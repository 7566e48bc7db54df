"""`recurzoo train`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType

from recurzoo.commands.options import Data, Json
from recurzoo.reports import Report


@dataclass(frozen=True)
class TrainingReport(Report):
    """What a run gave.

    Attributes:
        folder: the checkpoint's.
        accuracy: of the stored weights on all test images, a fraction.
        epochs: how many.
        seconds: of training, over all sessions.
    """

    folder: str
    accuracy: float
    epochs: int
    seconds: float

    def __rich__(self) -> RenderableType:
        minutes = self.seconds / 60
        return f"{self.folder}: {self.accuracy:.2%} of the test images, {self.epochs} epochs in {minutes:.1f} minutes"


def train_(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe of the package, or a TOML file.")],
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="Folder of the run: state, log and checkpoint.")],
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe; may be repeated.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run in this folder stopped.")] = False,
    json: Json = False,
) -> Report:
    """Train a recipe and write a checkpoint."""
    from recurzoo.training.recipe import load_recipe

    settings = load_recipe(recipe, changes)

    from recurzoo.training.progress_bar import ProgressBar
    from recurzoo.training.run import train

    with ProgressBar(settings.epochs) as bar:
        result = train(settings, data, out, resume, report=bar.show, callbacks=[bar.callback])
    return TrainingReport(str(result.folder), result.accuracy, result.epochs, result.seconds)
