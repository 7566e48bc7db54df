"""`recurzoo fetch`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from recurzoo.base.records import Report
from recurzoo.cli.options import Json, Name


def fetch_(
    name: Name,
    export: Annotated[
        Literal["onnx", "litert"] | None,
        typer.Option("--export", help="Fetch this exported file instead of the Keras model."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Fetch all files, exports and the log among them.")] = False,
    json: Json = False,
) -> Report:
    """Have a checkpoint's files on this machine, and say where."""
    from recurzoo.zoo.fetching import fetch

    return fetch(name, export, everything)
