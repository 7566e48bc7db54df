"""TFRecord files, whose records can be read in any order once their places in the files are known."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

# A record is its length in 8 bytes, 4 of the length's checksum, its content, and 4 of the content's checksum.
HEADER, LENGTH, FRAME = 12, 8, 16


class TFRecords(Sequence[bytes]):
    """The records of TFRecord files, one file after the other.

    Args:
        paths: of the files, uncompressed.

    Raises:
        ValueError: if a file does not consist of records.
    """

    def __init__(self, paths: Sequence[str | Path]):
        self.paths = [Path(path) for path in paths]
        found = [_index(path) for path in self.paths]
        # (file, start, length) of each.
        self.places = np.concatenate(
            [np.column_stack([np.full(len(places), number), places]) for number, places in enumerate(found)]
        )

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, place: int) -> bytes:  # type: ignore[override]
        number, start, length = map(int, self.places[place])
        # Opened anew, so that many threads may read at once.
        with self.paths[number].open("rb") as file:
            file.seek(start)
            return file.read(length)


def _index(path: Path) -> np.ndarray:
    """Where each record's content starts and how long it is, of one file; only headers are read."""
    places, start, end = [], 0, os.path.getsize(path)
    with path.open("rb") as file:
        while start < end:
            file.seek(start)
            header = file.read(HEADER)
            length = struct.unpack("<Q", header[:LENGTH])[0] if len(header) == HEADER else end
            if start + FRAME + length > end:
                raise ValueError(f"This is no whole TFRecord file; prepare the data set anew. Received: {str(path)!r}")
            places.append((start + HEADER, length))
            start += FRAME + length
    return np.array(places, "int64").reshape(-1, 2)
