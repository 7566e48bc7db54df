"""A reader under test."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

WEIGHTS = Path(__file__).parents[2] / "weights"
CHECKPOINTS = ("swrn-22-1-2.cifar10", "scnn-20.shortest-paths")
Contents = st.SearchStrategy[bytes]


@dataclass(frozen=True)
class Reader:
    """A reader under test.

    Attributes:
        name: str.
        file: name of the file it reads.
        contents: what to put there.
        read: from the file's path to anything; it may raise what users are told.
        count: how many files the slow test gives it.
        original: a file that it reads without complaint.
        around: from a folder to a context in which it reads.
    """

    name: str
    file: str
    contents: Contents
    read: Callable[[Path], Any]
    count: int
    original: bytes
    around: Callable[[Path], Any] = contextlib.nullcontext

    @contextlib.contextmanager
    def prepared(self, folder: Path) -> Iterator[None]:
        with self.around(folder):
            (folder / self.file).write_bytes(self.original)
            yield
