"""A checkpoint's folder: the names of its files, its record, and the sizes and hashes by which it knows them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from recurzoo.base.documents import read_json, shorten
from recurzoo.base.files import open_regular, recover
from recurzoo.checkpoints.record import Record, StoredFile

# What a model is loaded from.
CONFIG, SAFETENSORS = "config.json", "model.safetensors"
REQUIRED = (CONFIG, SAFETENSORS)
# How it was trained: a line an epoch, and each bank's coefficients or angles of every epoch.
LOG, COEFFICIENTS = "training.csv", "coefficients.safetensors"
EXPORTS = {"onnx": "model.onnx", "litert": "model.tflite"}
# What core Keras looks for in a folder beside the config. They are written, and never read here.
KERAS_FILES = ("metadata.json", "model.weights.h5")
# The record lists the files above; the card is generated from it. No other file is ever read or written there.
RECORD, CARD = "record.json", "README.md"
RECORDED = (*REQUIRED, LOG, COEFFICIENTS, *EXPORTS.values(), *KERAS_FILES)
FILES = (*RECORDED, RECORD, CARD)
# More than the largest network that loads, in double precision. It bounds the time that hashing takes.
LARGEST_FILE = 2**32


def read_record(folder: str | Path) -> Record:
    """Read a checkpoint's record.

    Args:
        folder: of the checkpoint.

    Returns:
        A `Record`.

    Raises:
        FileNotFoundError: if there is no record.
        ValueError: if it is not well-formed.
    """
    path = Path(folder) / RECORD
    if not path.parent.is_dir():
        recover(path.parent)
    if not path.is_file():
        raise FileNotFoundError(
            f"A checkpoint is a folder with a {RECORD}, as recurzoo.save writes it. Received: {str(folder)!r}"
        )
    try:
        record = Record.from_dict(read_json(path))
        if unknown := sorted(set(record.files) - set(RECORDED)):
            raise ValueError(f"a checkpoint has no files of the names {shorten(unknown)}")
    except ValueError as error:
        raise ValueError(f"A checkpoint's record cannot be read. Received: {str(path)!r}: {error}") from None
    return record


def verify_files(folder: str | Path, record: Record, whole: bool = False) -> None:
    """Compare the files of a checkpoint with the sizes and the SHA-256 that its record has.

    Args:
        folder: of the checkpoint.
        record: its `Record`.
        whole: bool, whether to compare every recorded file, and not only those that loading reads.

    Raises:
        ValueError: if a file is missing or another one, or the record does not vouch for what loading reads.
    """
    folder = Path(folder)
    problems = [f"{name} is not in the record" for name in REQUIRED if name not in record.files]
    for name, expected in record.files.items():
        if name not in REQUIRED and not whole:
            continue
        path = folder / name
        if not path.is_file():
            problems.append(f"{name} is missing")
        elif expected.bytes > LARGEST_FILE:
            problems.append(f"{name} is larger than any, with {expected.bytes} bytes")
        elif path.stat().st_size != expected.bytes:
            problems.append(f"{name} has {path.stat().st_size} bytes, not {expected.bytes}")
        elif measure(path) != expected:
            problems.append(f"{name} has another SHA-256 than {expected.sha256}")
    if problems:
        raise ValueError(
            f"This checkpoint is not as it was saved; restore or fetch it anew. Received: {str(folder)!r}: "
            f"{'; '.join(problems)}"
        )


def measure(path: Path) -> StoredFile:
    """Take a file's size and SHA-256."""
    with open_regular(path) as file:
        return StoredFile(sha256=hashlib.file_digest(file, "sha256").hexdigest(), bytes=path.stat().st_size)


def is_as_recorded(folder: Path, name: str, record: Record) -> bool:
    """Whether a folder has a file, and it is the one that a record vouches for."""
    path = folder / name
    expected = record.files.get(name)
    # The size is asked first, as it costs nothing.
    return (
        expected is not None and path.is_file() and path.stat().st_size == expected.bytes and measure(path) == expected
    )
