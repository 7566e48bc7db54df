"""A checkpoint's files one by one: the size and SHA-256 by which they are known."""

from __future__ import annotations

import hashlib
from pathlib import Path

from recurzoo.checkpoints.record import Record, StoredFile


def measure(path: Path) -> StoredFile:
    """Take a file's size and SHA-256."""
    with path.open("rb") as file:
        return StoredFile(sha256=hashlib.file_digest(file, "sha256").hexdigest(), bytes=path.stat().st_size)


def is_as_recorded(folder: Path, name: str, record: Record) -> bool:
    """Whether a folder has a file, and it is the one that a record vouches for."""
    path = folder / name
    expected = record.files.get(name)
    # The size is asked first, as it costs nothing.
    return (
        expected is not None and path.is_file() and path.stat().st_size == expected.bytes and measure(path) == expected
    )
