"""`recurzoo fetch`: have a checkpoint's files on this machine before they are needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import typer
from rich.console import RenderableType

from recurzoo.commands.options import Json, Name
from recurzoo.registry.checkpoint import CONFIG, EXPORTS, METADATA, WEIGHTS
from recurzoo.registry.shelf import find_folder
from recurzoo.reports import Report


@dataclass(frozen=True)
class Fetched(Report):
    """Where a checkpoint's files lie.

    Attributes:
        folder: the checkpoint's, or the one in the cache.
        files: bytes of each file that was asked for, by its name.
    """

    folder: str
    files: dict[str, int]

    def __rich__(self) -> RenderableType:
        return "\n".join(f"{self.folder}/{name}  {size:,} bytes" for name, size in self.files.items())


def fetch_(
    name: Name,
    export: Annotated[
        Literal["onnx", "litert"] | None,
        typer.Option("--export", help="Fetch this exported file instead of the Keras model."),
    ] = None,
    json: Json = False,
) -> Report:
    """Download a checkpoint into the cache, if it is not on this machine, and say where it is."""
    needs = (EXPORTS[export],) if export else (CONFIG, METADATA, WEIGHTS)
    folder = find_folder(name, needs)
    return Fetched(str(folder), {name: (folder / name).stat().st_size for name in needs})
