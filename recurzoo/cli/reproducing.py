"""`recurzoo reproduce`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recurzoo.base.records import Report
from recurzoo.catalog.experiments import ScaleName, list_experiments
from recurzoo.cli.options import Json, OptionalData


def reproduce_(
    experiment: Annotated[
        str | None, typer.Argument(metavar="EXPERIMENT", help="A paper's table or figure; without one, the list.")
    ] = None,
    data: OptionalData = None,
    scale: Annotated[
        ScaleName, typer.Option("--scale", help="A reduced form for 2 cores, or what the paper did.")
    ] = "small",
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the runs and outcomes.")] = Path(
        "reproductions"
    ),
    json: Json = False,
) -> Report:
    """Make a table or figure of the papers again."""
    if experiment is None:
        return list_experiments()
    from recurzoo.analysis.reproduction import reproduce

    return reproduce(experiment, data, scale, out)
