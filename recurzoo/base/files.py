"""Files and folders: only regular files are read, and all are written whole or not at all."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import glob
import io
import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path

# A full disk and a full quota.
FULL = (errno.ENOSPC, errno.EDQUOT)
# Beside a target: the place of a draft of it, the lock of whoever writes that, and in it what is set aside.
PARTIAL, LOCK, EARLIER = ".partial", ".lock", ".earlier"
# Of Linux' renameat2: paths from the working directory, and each takes the other's place.
AT_FDCWD, RENAME_EXCHANGE = -100, 2


def open_regular(path: str | Path) -> io.BufferedReader:
    """Open a file to read its bytes; no pipe, which would be waited for, and no device, which may never end.

    Raises:
        ValueError: if it is no regular file.
        OSError: if it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError(f"Only regular files are read. Received: {str(path)!r}, a folder, a pipe or a device")
    return os.fdopen(descriptor, "rb")


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with draft(path) as partial:
        partial.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def draft(target: Path) -> Iterator[Path]:
    """Give a path near a target, of the same name, to write a file or a folder to.

    It takes the target's place in one act if the body succeeds, and is removed if the body fails; then the target is as
    it was. What processes that were killed left of their drafts of this target is removed first.

    Args:
        target: path of the file, or of the folder.

    Raises:
        OSError: if the disk is full, whatever the body raises then; if a folder would take the place of a file, or a
            file that of a folder.
    """
    recover(target)
    place = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}{PARTIAL}")
    try:
        # Locked before it is there, so that nobody takes it for what somebody left.
        with _lock(place.with_name(place.name + LOCK), wait=True):
            try:
                place.mkdir()
                yield place / target.name
                _replace(place / target.name, target)
            finally:
                shutil.rmtree(place, ignore_errors=True)
    except Exception as error:
        if not _is_of_a_full_disk(error):
            raise
        full = OSError(f"The disk is full, so nothing was written. Received: {str(target)!r}; make room")
        full.errno = errno.ENOSPC
        raise full from error


def recover(target: Path) -> None:
    """Remove what killed processes left of their drafts of a target, and put back what one of them had set aside."""
    for path in target.parent.glob(f".{glob.escape(target.name)}.????????{PARTIAL}{LOCK}"):
        place = path.with_name(path.name.removesuffix(LOCK))
        # What is locked is being written; in a folder that is only to be read, there is nothing to be done.
        with contextlib.suppress(OSError), _lock(path):
            if (place / EARLIER).exists() and not target.exists():
                (place / EARLIER).rename(target)
            shutil.rmtree(place, ignore_errors=True)


@contextlib.contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Keep other processes from writing in a folder; the system lets them in once this one ends, however it does.

    Raises:
        BlockingIOError: if another process is writing there.
    """
    with _lock(folder / LOCK):
        yield


@contextlib.contextmanager
def _lock(path: Path, wait: bool = False) -> Iterator[None]:
    from filelock import FileLock, Timeout

    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(blocking=wait)
    except Timeout:
        raise BlockingIOError(
            f"Another process is writing here. Received: {str(path.parent)!r}; wait for it, or take another folder"
        ) from None
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        lock.release()


def _replace(new: Path, target: Path) -> None:
    if target.exists() and target.is_dir() != new.is_dir():
        kinds = ("folder", "file") if target.is_dir() else ("file", "folder")
        raise FileExistsError(
            f"A {kinds[0]} is not replaced by a {kinds[1]}. Received: {str(target)!r}; move it, or take another name"
        )
    if not target.is_dir():
        new.replace(target)
    elif not _exchange(new, target):
        # In two acts where the system has no such one. Killed between them, the next writer puts the earlier one back.
        earlier = new.with_name(EARLIER)
        target.rename(earlier)
        try:
            new.rename(target)
        except BaseException:
            earlier.rename(target)
            raise


def _exchange(one: Path, other: Path) -> bool:
    """Let two folders take each other's place in one act, if this system and file system can."""
    try:
        # Python has no function for it.
        renameat2 = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    return renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0


def _is_of_a_full_disk(error: BaseException | None) -> bool:
    # Libraries keep the system's number, or only its words.
    words = [os.strerror(number) for number in FULL]
    while error is not None:
        if getattr(error, "errno", None) in FULL or any(word in str(error) for word in words):
            return True
        error = error.__cause__ or error.__context__
    return False
