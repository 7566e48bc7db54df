"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def draft(target: Path) -> Iterator[Path]:
    """Give a path beside a target to write a file or a folder to.

    It takes the target's place if the body succeeds, and is removed if the body fails; then the target is as it was.

    Args:
        target: path of the file, or of the folder.
    """
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        yield partial
        _replace(partial, target)
    finally:
        _remove(partial)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with draft(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _replace(partial: Path, target: Path) -> None:
    if not target.is_dir():
        partial.replace(target)
        return
    # A folder cannot be replaced in one go: the earlier one steps aside, and comes back if need be.
    earlier = partial.with_suffix(".earlier")
    target.rename(earlier)
    try:
        partial.rename(target)
    except BaseException:
        earlier.rename(target)
        raise
    _remove(earlier)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
