"""Decoded images, kept in a cache folder of the user's own so that a data set is decoded only once.

A file holds the pixels of a list of images. Its name is a digest of all that they depend on: which files, as they stand
on the disk, which size, which decoder. It begins with a digest of name and pixels, without which it is not believed.
The environment variable `RECURZOO_CACHE` moves the cache, or is `off`; nothing fails without one.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import stat
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import platformdirs

from recurzoo.base.files import draft
from recurzoo.data.images import DECODER_VERSION
from recurzoo.data.stored_images import StoredImages

VARIABLE = "RECURZOO_CACHE"
OFF = "off"
# What was used last stays.
MOST_BYTES = 4 * 2**30
# A file system may count time in steps of two seconds: what was written since then may change without looking changed.
SETTLED = 2 * 10**9
SUFFIX = ".pixels"


def decode_files(files: StoredImages) -> np.ndarray:
    """Decode image files, or take the pixels that an earlier run decoded from the same files.

    Args:
        files: at least one, by their paths.

    Returns:
        A uint8 array `(images, height, width, 3)`.

    Raises:
        ValueError: if one cannot be read.
    """
    cached = _place_of([Path(path) for path in files.encoded], files.size)  # type: ignore[arg-type]
    if cached is not None:
        images = np.empty(files.shape, "uint8")
        if _read(cached, images):
            return images
    images = files[:]
    if cached is not None:
        _write(cached, images)
    return images


def cache_folder() -> Path | None:
    """The folder of decoded images, which is made if need be; None if there is to be none, or it is not ours alone."""
    setting = os.environ.get(VARIABLE, "")
    if setting == OFF:
        return None
    try:
        parent = Path(setting).expanduser().absolute() if setting else platformdirs.user_cache_path("recurzoo")
        folder = parent / "images"
        # Without a home, "~" is left as it is.
        if not folder.is_absolute():
            return None
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except (OSError, RuntimeError) as error:
        _log(error)
        return None
    ours = not hasattr(os, "getuid") or (status.st_uid == os.getuid() and not status.st_mode & 0o022)
    return folder if stat.S_ISDIR(status.st_mode) and ours else None


def _place_of(paths: Sequence[Path], size: tuple[int, int]) -> Path | None:
    """The file for the pixels of these images; None if they are not to be cached."""
    import PIL

    folder = cache_folder()
    if folder is None:
        return None
    resolve = functools.cache(os.path.realpath)
    digest = hashlib.sha256(repr((DECODER_VERSION, PIL.__version__, tuple(size))).encode())
    now = time.time_ns()
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            # For `decode` to say.
            return None
        if now - status.st_mtime_ns < SETTLED:
            return None
        place = (os.fsencode(resolve(path.parent)), os.fsencode(path.name))
        state = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        digest.update(repr((place, state)).encode())
    return folder / f"{digest.hexdigest()}{SUFFIX}"


def _digest(cached: Path, images: np.ndarray) -> bytes:
    digest = hashlib.sha256(cached.name.encode())
    digest.update(images.data)
    return digest.digest()


def _read(cached: Path, images: np.ndarray) -> bool:
    """Fill an array from the cache; whether that is now what was once written."""
    try:
        if not stat.S_ISREG(cached.lstat().st_mode):
            return False
        with cached.open("rb") as file:
            digest = file.read(hashlib.sha256().digest_size)
            count = file.readinto(images.data)  # type: ignore[arg-type]
        if count != images.nbytes or digest != _digest(cached, images):
            return False
        # For what is removed first.
        os.utime(cached)
    except OSError:
        return False
    return True


def _write(cached: Path, images: np.ndarray) -> None:
    if images.nbytes > MOST_BYTES:
        return
    try:
        _make_room(cached.parent, images.nbytes)
        with draft(cached) as partial, partial.open("xb") as file:
            file.write(_digest(cached, images))
            file.write(images.data)
    except OSError as error:
        _log(error)


def _make_room(folder: Path, count: int) -> None:
    """Remove what was not used for longest until so many bytes more are within the bound."""
    # Also what a killed process left half-written.
    states = sorted(((path.stat(), path) for path in folder.glob(f"*{SUFFIX}*")), key=lambda item: item[0].st_mtime_ns)
    total = count + sum(status.st_size for status, _ in states)
    for status, path in states:
        if total <= MOST_BYTES:
            break
        path.unlink(missing_ok=True)
        total -= status.st_size


def _log(error: Exception) -> None:
    logging.getLogger("recurzoo").info("Decoded images are not cached: %s", error)
