"""Where an export goes: beside its target first, into its place only once it is found good."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recurzoo.base.files import draft


@contextmanager
def destination(target: Path, folder: bool) -> Iterator[Path]:
    """Give a path to write to, which takes the target's place if the body succeeds, and is removed if it fails.

    Args:
        target: path of the file, or of the folder.
        folder: bool, which of the two.

    Raises:
        OSError: if the target's folder is missing or not writable, or the target is something an export must not
            replace. Nothing is written then.
    """
    _check(target, folder)
    with draft(target) as partial:
        yield partial


def size_on_disk(path: Path) -> int:
    """The bytes of a file, or of all files of a folder."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


def _check(target: Path, folder: bool) -> None:
    parent = target.parent
    if not parent.is_dir():
        raise FileNotFoundError(
            f"An export goes into a folder that exists. Received: path={str(target)!r}, but {str(parent)!r} is no "
            "folder; make it first."
        )
    if not os.access(parent, os.W_OK | os.X_OK):
        raise PermissionError(
            f"An export needs a folder it may write to. Received: path={str(target)!r}, but {str(parent)!r} is not "
            "writable; choose another."
        )
    if not folder and target.is_dir():
        raise IsADirectoryError(
            f"This format is one file. Received: path={str(target)!r}, which is a folder; add a file name."
        )
    if folder and target.is_file():
        raise NotADirectoryError(
            f"A SavedModel is a folder. Received: path={str(target)!r}, which is a file; choose another path."
        )
    if folder and target.is_dir() and any(target.iterdir()) and not (target / "saved_model.pb").is_file():
        raise FileExistsError(
            f"An export replaces an earlier SavedModel only. Received: path={str(target)!r}, a folder of other files; "
            "choose a new one."
        )
