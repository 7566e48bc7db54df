"""`recurzoo fetch`: have a checkpoint's files on this machine before they are needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import typer
from rich.console import RenderableType

from recurzoo.base.records import Report
from recurzoo.checkpoints.folder import EXPORTS, REQUIRED, is_as_recorded, read_record
from recurzoo.cli.options import Json, Name
from recurzoo.zoo.finding import find_folder


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
    everything: Annotated[bool, typer.Option("--all", help="Fetch all files, exports and the log among them.")] = False,
    json: Json = False,
) -> Report:
    """Download a checkpoint into the cache, if it is not on this machine, and say where it is."""
    needs: tuple[str, ...] = (EXPORTS[export],) if export else REQUIRED
    if everything:
        needs = tuple(read_record(find_folder(name, ())).files)
    folder = find_folder(name, needs)
    record = read_record(folder)
    if bad := [file for file in needs if not is_as_recorded(folder, file, record)]:
        raise ValueError(
            f"This checkpoint is not as it was saved; restore or fetch it anew. Received: {str(folder)!r}, whose "
            f"{', '.join(bad)} is missing or has another SHA-256 than recorded"
        )
    return Fetched(str(folder), {file: record.files[file].bytes for file in needs})
