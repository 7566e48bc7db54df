"""Checkpoint folders: written whole or not at all, with a record of what they hold, and checked when read."""

from __future__ import annotations

import contextlib
import datetime
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recurzoo.base.documents import read_json, shorten
from recurzoo.base.files import draft, write_text
from recurzoo.checkpoints.completing import complete
from recurzoo.checkpoints.record import Record
from recurzoo.checkpoints.stored_files import is_as_recorded, measure
from recurzoo.zoo.card import write_card

if TYPE_CHECKING:
    import keras

# The names under which core Keras keeps a model in a folder, then ours. No other file is ever read or written there.
CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
SAFETENSORS, LOG = "model.safetensors", "training.csv"
RECORD, CARD = "record.json", "README.md"
EXPORTS = {"onnx": "model.onnx", "litert": "model.tflite"}
REQUIRED = (CONFIG, WEIGHTS)
RECORDED = (*REQUIRED, METADATA, SAFETENSORS, LOG, *EXPORTS.values())
FILES = (*RECORDED, RECORD, CARD)


def save(
    model: keras.Model,
    folder: str | Path,
    record: Record | Mapping[str, Any] | None = None,
    training_log: str | Path | None = None,
) -> Record:
    """Save a model of the zoo as a checkpoint folder that `recurzoo.load` and `keras.saving.load_model` open.

    The folder is written beside its place and then moved there, so that an interrupted save leaves what was there.

    Args:
        model: a model of the zoo.
        folder: path of the checkpoint. An existing checkpoint is replaced; its parent folders are made.
        record: a `Record`, or a mapping of its fields. What can be measured (parameters, sharing, files) is measured
            here, whatever it says. None for a record of just that, named after the folder.
        training_log: path of a CSV file to keep as `training.csv`.

    Returns:
        The record as written.

    Raises:
        ValueError: if the model is not of the zoo or too deep to be loaded again, or the record is not well-formed or
            names another number of classes than the model has outputs.
        FileExistsError: if there is something else at `folder`.

    Example:
        >>> model = recurzoo.create("swrn-22-1-2")
        >>> recurzoo.save(model, "my-model")
        >>> model = recurzoo.load("my-model")
    """
    from recurzoo.checkpoints.config import write_config
    from recurzoo.checkpoints.safetensors_file import write_safetensors
    from recurzoo.checkpoints.weights import write_weights

    folder = Path(folder).expanduser().resolve()
    record = complete(record, model, folder.name)
    _refuse_other_content(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with draft(folder) as partial:
        partial.mkdir()
        (partial / CONFIG).write_text(write_config(model), encoding="utf-8")
        (partial / METADATA).write_text(_about(), encoding="utf-8")
        write_weights(model, partial / WEIGHTS)
        write_safetensors(model, partial / SAFETENSORS, record.architecture)
        if training_log is not None:
            shutil.copyfile(training_log, partial / LOG)
        files = {file.name: measure(file) for file in sorted(partial.iterdir())}
        record = record.replace(files=files)
        write_text(partial / RECORD, record.to_json(indent=2) + "\n")
        write_text(partial / CARD, write_card(record))
    return record


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


def write_record(folder: str | Path, record: Record) -> None:
    """Replace a checkpoint's record, as after an evaluation, and its card, which is generated from it.

    Args:
        folder: of the checkpoint.
        record: a `Record`; its `files` must be true of the folder.

    Raises:
        ValueError: if a file is not as the record says.
    """
    folder = Path(folder)
    verify_files(folder, record, whole=True)
    write_text(folder / RECORD, record.to_json(indent=2) + "\n")
    write_text(folder / CARD, write_card(record))


def verify_files(folder: str | Path, record: Record | None = None, whole: bool = False) -> None:
    """Compare the files of a checkpoint with the sizes and the SHA-256 that its record has.

    Args:
        folder: of the checkpoint.
        record: its `Record`; read if not given.
        whole: bool, whether every recorded file must be there, and not only those that loading needs. What is there is
            compared in any case.

    Raises:
        ValueError: if a file is missing or another one, or the record does not vouch for what loading needs.
    """
    folder = Path(folder)
    record = read_record(folder) if record is None else record
    problems = [f"{name} is not in the record" for name in REQUIRED if name not in record.files]
    for name, expected in record.files.items():
        path = folder / name
        if not path.is_file():
            problems += [f"{name} is missing"] if whole or name in REQUIRED else []
        elif path.stat().st_size != expected.bytes:
            problems.append(f"{name} has {path.stat().st_size} bytes, not {expected.bytes}")
        elif measure(path) != expected:
            problems.append(f"{name} has another SHA-256 than {expected.sha256}")
    if problems:
        raise ValueError(
            f"This checkpoint is not as it was saved; restore or fetch it anew. Received: {str(folder)!r}: "
            f"{'; '.join(problems)}"
        )


@contextlib.contextmanager
def recording(folder: str | Path, name: str) -> Iterator[None]:
    """Record a file that the body writes or replaces, such as an export. Interrupted, the folder is still a checkpoint.

    Args:
        folder: of the checkpoint.
        name: one of `EXPORTS`' names.

    Raises:
        ValueError: if a file of the checkpoint is not as recorded.
    """
    folder = Path(folder)
    record = read_record(folder)
    others = record.replace(files={key: file for key, file in record.files.items() if key != name})
    if name in record.files:
        write_record(folder, others)
    try:
        yield
    except BaseException:
        # What was there before is there still, or it is not recorded.
        if is_as_recorded(folder, name, record):
            write_record(folder, record)
        raise
    write_record(folder, others.replace(files={**others.files, name: measure(folder / name)}))


def _about() -> str:
    import keras

    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d@%H:%M:%S")
    return json.dumps({"keras_version": keras.__version__, "date_saved": now}) + "\n"


def _refuse_other_content(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise FileExistsError(f"A checkpoint is a folder, and there is a file in its place. Received: {str(folder)!r}")
    found = sorted(file.name for file in folder.iterdir())
    others = [name for name in found if name not in FILES]
    if others or (found and RECORD not in found):
        raise FileExistsError(
            f"Only a checkpoint is ever overwritten, and this folder holds {', '.join(others or found)}; take another "
            f"folder. Received: {str(folder)!r}"
        )
