"""Images that stay as they are stored until they are needed: a data set that is more than the memory is to hold."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recurzoo.base.environment import cores
from recurzoo.data.images import Crop, decode

if TYPE_CHECKING:
    import grain

VARIABLE = "RECURZOO_MEMORY"
# GiB. Beyond, an int32 could not number the pixels of all images.
MOST_MEMORY = 4.0
GIB = 2**30
# Bytes of a file. Python is done with a smaller one sooner than threads have handed its lock on to each other.
SMALL = 10_000
MOST_SAMPLED = 16


class StoredImages:
    """An array of images, each decoded whenever it is asked for; of NumPy's arrays it has what reading needs.

    Args:
        encoded: sequence of what `decode` takes, files' paths or bytes; it may read them when it is asked for one.
        size: `(height, width)` of the images, as `decode` has it.
        stamps: sequence of what tells each from others without decoding it; by default names and lengths of
            files, and checksums of bytes.
    """

    dtype = np.dtype("uint8")

    def __init__(self, encoded: Sequence[Path | bytes], size: tuple[int, int], stamps: Sequence[Any] | None = None):
        self.encoded = encoded
        self.size = size
        self._stamps = stamps

    def __len__(self) -> int:
        return len(self.encoded)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return (len(self), *self.size, 3)

    @property
    def nbytes(self) -> int:
        """Bytes of all images, decoded."""
        return int(np.prod(self.shape, dtype="int64"))

    @functools.cached_property
    def threads(self) -> int:
        """How many images are best decoded at the same time: one if most are small, else one a core."""
        sample = range(0, len(self), max(1, len(self) // MOST_SAMPLED))
        return 1 if np.median([_length(self.encoded[place]) for place in sample] or [0]) < SMALL else cores()

    def __getitem__(self, places: Any) -> np.ndarray:
        """Decode the images at some places: a slice, or an array of integers or truth values."""
        return self.take(np.arange(len(self))[places])

    def take(self, places: np.ndarray, crop: Callable[[int], Crop] | None = None) -> np.ndarray:
        """Decode images, or of each the part that `crop` gives for its place."""
        images = np.empty((len(places), *self.shape[1:]), "uint8")

        def put(number: int) -> None:
            place = int(places[number])
            images[number] = self.decode(place, None if crop is None else crop(place))

        if self.threads == 1:
            for number in range(len(places)):
                put(number)
            return images
        with ThreadPoolExecutor(self.threads) as pool:
            for _ in pool.map(put, range(len(places))):
                pass
        return images

    def decode(self, place: int, crop: Crop | None = None) -> np.ndarray:
        """One image, or a part of it: see `decode`."""
        return decode(self.encoded[place], self.size, crop)

    def batches(self, size: int) -> Iterator[np.ndarray]:
        """All images in order, so many at a time, the last ones fewer."""
        yield from in_order(self.decode, len(self), 2 * size, self.threads).batch(size)

    def digest(self) -> bytes:
        """SHA-256 of the stamps: millions of images are not decoded to know them again."""
        digest = hashlib.sha256()
        for stamp in self._stamps or map(_stamp, self.encoded):
            digest.update(repr(stamp).encode())
        return digest.digest()


def _stamp(encoded: Path | bytes) -> Any:
    return (encoded.name, encoded.stat().st_size) if isinstance(encoded, Path) else zlib.crc32(encoded)


def _length(encoded: Path | bytes) -> int:
    # What is not there is for `decode` to say.
    with contextlib.suppress(OSError):
        return encoded.stat().st_size if isinstance(encoded, Path) else len(encoded)
    return 0


def in_order(make: Callable[[int], Any], count: int, ahead: int, threads: int) -> grain.IterDataset[Any]:
    """What `make` gives for 0, 1, ... count - 1, in this order, made by threads before it is asked for.

    Args:
        make: called with a number, in threads.
        count: int, how many.
        ahead: int, how many more are made than have been asked for.
        threads: int, how many are made at the same time.
    """
    import grain

    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=ahead)
    return grain.MapDataset.range(count).map(make).to_iter_dataset(options)


def fits_in_memory(images: StoredImages) -> bool:
    """Whether images are to be held decoded, by the setting `RECURZOO_MEMORY`; if not, a log line says so.

    Raises:
        ValueError: if the setting is no number of GiB.
    """
    limit = _limit()
    fits = images.nbytes <= limit * GIB
    if not fits:
        logging.getLogger("recurzoo").warning(
            "%s images are decoded whenever they are needed: together they have %.1f GiB, more than %s=%g.",
            f"{len(images):,}",
            images.nbytes / GIB,
            VARIABLE,
            limit,
        )
    return fits


def _limit() -> float:
    text = os.environ.get(VARIABLE, "")
    try:
        limit = float(text or MOST_MEMORY)
    except ValueError:
        limit = -1.0
    if not 0 <= limit <= MOST_MEMORY:
        raise ValueError(
            f"{VARIABLE} is how many GiB of a split's images are held decoded, from 0 to {MOST_MEMORY:g}. "
            f"Received: {text[:40]!r}"
        )
    return limit
