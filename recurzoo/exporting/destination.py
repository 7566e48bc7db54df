"""Where an export goes: beside its target first, into its place only once it is found good."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recurzoo.base.files import draft
from recurzoo.exporting.inference import INPUT, OUTPUT

# How the files begin: ONNX's version of its format, LiteRT's name four bytes in, and the comment of our C.
ONNX_START, LITERT_NAME, C_START = b"\x08", b"TFL3", b"/* recurzoo:"


@contextmanager
def destination(target: Path, folder: bool, overwrite: bool = False) -> Iterator[Path]:
    """Give a path to write to, which takes the target's place if the body succeeds, and is removed if it fails.

    Args:
        target: path of the file, or of the folder.
        folder: bool, which of the two.
        overwrite: bool, whether it may take the place of what is no earlier export.

    Raises:
        OSError: if the target's folder is missing or not writable, or the target is something an export must not
            replace. Nothing is written then.
    """
    _check(target, folder, overwrite)
    with draft(target) as partial:
        yield partial


def size_on_disk(path: Path) -> int:
    """The bytes of a file, or of all files of a folder."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


def _check(target: Path, folder: bool, overwrite: bool) -> None:
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
    found = target.is_symlink() or (any(target.iterdir()) if target.is_dir() else target.exists())
    if found and not overwrite and not _is_export(target):
        raise FileExistsError(
            f"An export replaces an earlier export alone. Received: path={str(target)!r}, which is or holds something "
            "else; choose another path, or overwrite it"
        )


def _is_export(target: Path) -> bool:
    """Whether a file or a folder is what an export writes, and has nothing else in it."""
    if target.is_symlink():
        return False
    if target.is_dir():
        files = {file.relative_to(target).as_posix() for file in target.rglob("*") if not file.is_dir()}
        others = {file for file in files if not file.startswith("variables/variables.")} - {"saved_model.pb"}
        return not others and "saved_model.pb" in files and _names_ours(target / "saved_model.pb")
    with target.open("rb") as file:
        start = file.read(len(C_START))
    return (start.startswith((ONNX_START, C_START)) or start[4:8] == LITERT_NAME) and _names_ours(target)


def _names_ours(file: Path) -> bool:
    content = file.read_bytes()
    return INPUT.encode() in content and OUTPUT.encode() in content
