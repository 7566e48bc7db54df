"""From models to checkpoints: folders that are written whole or not at all, and that `load` opens again."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recurzoo.base.documents import shorten
from recurzoo.base.files import draft, write_text
from recurzoo.checkpoints.completing import check_class_names, complete
from recurzoo.checkpoints.config import write_config
from recurzoo.checkpoints.folder import (
    CARD,
    COEFFICIENTS,
    CONFIG,
    FILES,
    LOG,
    RECORD,
    SAFETENSORS,
    is_as_recorded,
    measure,
    read_record,
    verify_files,
)
from recurzoo.checkpoints.record import Record
from recurzoo.checkpoints.weights import write_keras_files, write_weights
from recurzoo.zoo.card import write_card
from recurzoo.zoo.loading import load

if TYPE_CHECKING:
    import keras

# What whoever loads a checkpoint chooses, and no checkpoint keeps.
NOT_KEPT = {"dtype"}


def save(
    model: keras.Model,
    folder: str | Path,
    record: Record | Mapping[str, Any] | None = None,
    training_log: str | Path | None = None,
    coefficients: str | Path | None = None,
    keras: bool = False,
    overwrite: bool = False,
    class_names: Sequence[str] | None = None,
) -> Record:
    """Save a model of the zoo as a checkpoint folder that `recurzoo.load` opens.

    The folder is written beside its place, loaded from there, and then moved into its place in one act, so that
    whatever interrupts it leaves what was there.

    Args:
        model: a model of the zoo.
        folder: path of the checkpoint; its parent folders are made.
        record: a `Record`, or a mapping of its fields. What can be measured (parameters, sharing, files) is measured
            here, whatever it says. None for a record of just that, named after the folder.
        training_log: path of a CSV file to keep as `training.csv`.
        coefficients: path of a safetensors file to keep as `coefficients.safetensors`: each bank's coefficients or
            angles over the epochs of its training.
        keras: bool, whether to write `metadata.json` and `model.weights.h5` too, by which core Keras opens the folder.
        overwrite: bool, whether a checkpoint that is there may be replaced.
        class_names: for each output its class, in place of those of the record.

    Returns:
        The record as written.

    Raises:
        ValueError: if the model is not of the zoo, or holds what a checkpoint does not keep (adapters, quantized
            kernels, an activation that is not its architecture's; which weights learn is kept, and precision is that
            of whoever loads it); if the record is not well-formed or names another
            number of classes than the model has outputs; if `folder` is the working directory or holds it.
        FileExistsError: if there is something at `folder`: a checkpoint, unless it may be replaced, or anything else.

    Example:
        >>> model = recurzoo.create("swrn-22-1-2")
        >>> recurzoo.save(model, "my-model")
        >>> model = recurzoo.load("my-model")
    """
    folder = refuse_other_content(folder, overwrite)
    record = complete(record, model, folder.name)
    if class_names is not None:
        record = record.replace(class_names=tuple(class_names))
        check_class_names(record, model)
    copies = {LOG: training_log, COEFFICIENTS: coefficients}
    folder.parent.mkdir(parents=True, exist_ok=True)
    with draft(folder) as partial:
        partial.mkdir()
        (partial / CONFIG).write_text(write_config(model), encoding="utf-8")
        write_weights(model, partial / SAFETENSORS, record.architecture)
        for name, source in copies.items():
            if source is not None:
                shutil.copyfile(source, partial / name)
        record = _write_record(partial, _measured(partial, record))
        loaded = _load_again(model, partial)
        if keras:
            write_keras_files(loaded, partial)
            record = _write_record(partial, _measured(partial, record))
    return record


def write_record(folder: str | Path, record: Record) -> None:
    """Replace a checkpoint's record, as after an evaluation, and its card, which is generated from it.

    Args:
        folder: of the checkpoint.
        record: a `Record`; its `files` must be true of the folder.

    Raises:
        ValueError: if a file is not as the record says.
    """
    verify_files(folder, record, whole=True)
    _write_record(Path(folder), record)


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


def _measured(folder: Path, record: Record) -> Record:
    files = sorted(file for file in folder.iterdir() if file.name not in (RECORD, CARD))
    return record.replace(files={file.name: measure(file) for file in files})


def _write_record(folder: Path, record: Record) -> Record:
    write_text(folder / RECORD, record.to_json(indent=2) + "\n")
    write_text(folder / CARD, write_card(record))
    return record


def _load_again(model: keras.Model, folder: Path) -> keras.Model:
    """Load what was written, and refuse a model that does not come back as it is."""
    try:
        loaded = load(folder)
        changed = [
            layer.name
            for layer, other in zip(model.layers, loaded.layers, strict=True)
            if _settings(layer) != _settings(other)
        ]
        if changed:
            raise ValueError(f"other settings of {shorten(changed)} than the architecture's")
    except ValueError as error:
        raise ValueError(
            "recurzoo.save keeps an architecture of the zoo and its weights, and this model would not come back as it "
            f"is. Received: {model.name!r}: {error}"
        ) from None
    return loaded


def _settings(layer: keras.Layer) -> Any:
    def kept(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: kept(value) for key, value in item.items() if key not in NOT_KEPT}
        return [kept(value) for value in item] if isinstance(item, list) else item

    return kept(json.loads(json.dumps(layer.get_config(), default=str)))


def refuse_other_content(folder: str | Path, overwrite: bool = False) -> Path:
    """Refuse a place where `save` would not write.

    Args:
        folder: path of a checkpoint to be.
        overwrite: bool, whether a checkpoint that is there may be replaced.

    Returns:
        The whole path.

    Raises:
        ValueError: if it is the working directory or holds it.
        FileExistsError: if there is something at `folder`: a checkpoint, unless it may be replaced, or anything else.
    """
    folder = Path(folder).expanduser().resolve()
    if Path.cwd().is_relative_to(folder):
        raise ValueError(
            f"A checkpoint is a folder of its own. Received: {str(folder)!r}, where this process works; give another"
        )
    if not folder.exists():
        return folder
    if not folder.is_dir():
        raise FileExistsError(f"A checkpoint is a folder, and there is a file in its place. Received: {str(folder)!r}")
    found = sorted(file.name for file in folder.iterdir())
    others = [name for name in found if name not in FILES]
    if others or (found and RECORD not in found):
        raise FileExistsError(
            f"Only a checkpoint is ever overwritten, and this folder holds {shorten(others or found, 200)}; take "
            f"another folder. Received: {str(folder)!r}"
        )
    if found and not overwrite:
        raise FileExistsError(
            f"There is a checkpoint already. Received: {str(folder)!r}; take another folder, or ask to overwrite it"
        )
    return folder
