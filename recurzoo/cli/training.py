"""`recurzoo train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recurzoo.base.records import Report
from recurzoo.cli.options import Data, Json


def train_(
    recipe: Annotated[
        str,
        typer.Argument(metavar="RECIPE", help="A recipe of the package, a TOML file, or a checkpoint's record.json."),
    ],
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="Folder of the run: state, log and checkpoint.")],
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe; may be repeated.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run in this folder stopped.")] = False,
    strategy: Annotated[
        str, typer.Option("--strategy", metavar="auto|mirrored|multiworker|none", help="Devices to train on.")
    ] = "auto",
    json: Json = False,
) -> Report:
    """Train a recipe and write a checkpoint."""
    from recurzoo.catalog.recipe import load_recipe

    settings = load_recipe(recipe, changes)

    from recurzoo.training.progress_bar import ProgressBar
    from recurzoo.training.run import train

    with ProgressBar(settings.epochs) as bar:
        try:
            return train(settings, data, out, resume, report=bar.show, callbacks=[bar.callback], strategy=strategy)
        except KeyboardInterrupt:
            # Typer would tell it without a word of what to do.
            raise InterruptedError(f"Interrupted; the run in {str(out)!r} goes on with --resume") from None
