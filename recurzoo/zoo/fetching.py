"""`recurzoo.fetch`: have a checkpoint's files on this machine before they are needed."""

from __future__ import annotations

from pathlib import Path

from rich.console import RenderableType

from recurzoo.base.records import Report
from recurzoo.checkpoints.folder import EXPORTS, REQUIRED, is_as_recorded
from recurzoo.hub.client import Client
from recurzoo.zoo.finding import find_checkpoint


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


def fetch(
    name_or_folder: str | Path,
    export: str | None = None,
    everything: bool = False,
    token: str | bool | None = None,
    local_files_only: bool = False,
) -> Fetched:
    """Download a checkpoint into the cache, if it is not on this machine, and verify it.

    Args:
        name_or_folder: as `recurzoo.load` takes it.
        export: `"onnx"` or `"litert"` for this exported file alone; None for what `recurzoo.load` needs.
        everything: bool, whether to fetch all that the record lists.
        token: for private repositories of the Hugging Face Hub; by default the one that is logged in.
        local_files_only: bool. If True, nothing is downloaded.

    Returns:
        A `Fetched`.

    Raises:
        UnknownNameError: if nothing has this name; a ValueError.
        MissingWeightsError: if it is a name of the zoo that has no such files here, and the Hub gave none.
        OSError: if there is no checkpoint at a path, or a download fails.
        ValueError: if a file is not as recorded.

    Example:
        >>> folder = recurzoo.fetch("hf://user/net", export="onnx").folder
    """
    if export is not None and (export not in EXPORTS or everything):
        raise ValueError(
            f"One of {', '.join(EXPORTS)} is fetched, or everything. Received: export={export!r}, {everything=}"
        )
    client = Client(token, local_files_only)
    needs: tuple[str, ...] = (EXPORTS[export],) if export else REQUIRED
    if everything:
        needs = tuple(find_checkpoint(name_or_folder, (), client)[1].files)
    folder, record = find_checkpoint(name_or_folder, needs, client)
    if bad := [file for file in needs if not is_as_recorded(folder, file, record)]:
        raise ValueError(
            f"This checkpoint is not as it was saved; restore or fetch it anew. Received: {str(folder)!r}, whose "
            f"{', '.join(bad)} is missing or has another SHA-256 than recorded"
        )
    return Fetched(folder=str(folder), files={file: record.files[file].bytes for file in needs})
