"""A checkpoint's weights: arrays in safetensors, by their variables' paths; and a copy of them for core Keras."""

from __future__ import annotations

import contextlib
import functools
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recurzoo.base.documents import LARGEST, one_line
from recurzoo.base.files import open_regular
from recurzoo.checkpoints.folder import KERAS_FILES

if TYPE_CHECKING:
    import keras
    import numpy as np

    from recurzoo.models import ZooModel

# Kernels above this size are stored in half precision; smaller ones are not worth the rounding.
HALF_PRECISION_BYTES = 1_000_000
KERNELS = ("kernel", "templates")
# Of the weights that do not fit.
MOST_LISTED = 10
MayDiffer = Callable[[str], bool]


@dataclass(frozen=True)
class StoredTensor:
    """A tensor of an open file: its shape, its type in safetensors' words, and how to read it."""

    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], np.ndarray]


def nothing(path: str) -> bool:
    """No weight may differ."""
    return False


def write_weights(model: keras.Model, path: Path, architecture: str) -> None:
    """Write a model's weights, and nothing of its optimizer or metrics.

    Kernels of more than a megabyte are stored as float16; statistics, scales, biases and coefficients never are.

    Args:
        model: a built model.
        path: of the file, overwritten.
        architecture: its name, for the file's metadata.

    Raises:
        ValueError: if two weights have the same path.

    Example:
        >>> write_weights(model, Path("model.safetensors"), "swrn-22-1-2")
        >>> safetensors.numpy.load_file("model.safetensors")["stage_1/bank/templates"].shape
    """
    from safetensors.numpy import save

    paths = [variable.path for variable in model.weights]
    if twice := sorted({path for path in paths if paths.count(path) > 1}):
        raise ValueError(f"Each weight needs a path of its own; name the layers. Received: {', '.join(twice)}")
    # The library writes several entries of metadata in any order; with one, equal weights make equal files.
    # Not by its `save_file`, whose files only their owner may read.
    path.write_bytes(save({v.path: _stored_form(v) for v in model.weights}, metadata={"architecture": architecture}))


def _stored_form(variable: keras.Variable) -> np.ndarray:
    import numpy as np
    from keras import ops

    array = ops.convert_to_numpy(variable)
    if array.dtype.name == "bfloat16":
        # NumPy does not have it.
        array = array.astype("float32")
    if array.dtype == "float32" and variable.name in KERNELS and array.nbytes > HALF_PRECISION_BYTES:
        with np.errstate(over="ignore"):
            half = array.astype("float16")
        return half if np.isfinite(half).all() else array
    return array


@contextlib.contextmanager
def open_weights(path: Path) -> Iterator[dict[str, StoredTensor]]:
    """Open a file that `write_weights` wrote; none of its tensors is read yet.

    The library compares the header with the file's size: all tensors together are no larger than the file.

    Args:
        path: of the file.

    Yields:
        A dict from the variables' paths to `StoredTensor`s.

    Raises:
        ValueError: if it is no such file.
        OSError: if it cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    with open_regular(path) as file:
        header = int.from_bytes(file.read(8), "little")
    try:
        if header > LARGEST:
            raise SafetensorError(f"its header has {header} bytes, more than {LARGEST}")
        with safe_open(path, framework="numpy") as tensors:
            slices = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118
            yield {
                name: StoredTensor(
                    tuple(part.get_shape()), str(part.get_dtype()), functools.partial(tensors.get_tensor, name)
                )
                for name, part in slices.items()
            }
    except SafetensorError as error:
        raise ValueError(
            f"This is no file of weights as recurzoo.save writes them: {one_line(str(error))}. Received: {str(path)!r}"
        ) from None


def build_to_fit(
    build: Callable[[], ZooModel], tensors: Mapping[str, StoredTensor], may_differ: MayDiffer = nothing
) -> ZooModel:
    """Build a model whose weights take memory only once they are known to be a file's, and begin with its values.

    Args:
        build: makes the model.
        tensors: what `open_weights` gives.
        may_differ: says of a variable's path whether it may be missing, left over, or of another shape; those begin as
            they do in an untrained model.

    Returns:
        The model.

    Raises:
        ValueError: in one error, which weights are missing, unexpected, of another shape or of another type.
    """
    from recurzoo.families.deferring import deferred_weights, set_first_value

    with deferred_weights():
        model = build()
        weights = {variable.path: variable for variable in model.weights if not may_differ(variable.path)}
        _check_fit(weights, {path: tensor for path, tensor in tensors.items() if not may_differ(path)})
        for path, variable in weights.items():
            set_first_value(variable, tensors[path].read)
    for layer in model.layers:
        # Keras' Normalization computes by what it derives from its weights.
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()
    return model


def _check_fit(weights: Mapping[str, keras.Variable], tensors: Mapping[str, StoredTensor]) -> None:
    both = [(path, tuple(weights[path].shape), tensors[path]) for path in weights if path in tensors]
    problems = {
        "missing": sorted(set(weights) - set(tensors)),
        "unexpected": sorted(set(tensors) - set(weights)),
        "of another shape": [
            f"{path} is {found.shape}, not {shape}" for path, shape, found in both if found.shape != shape
        ],
        "of another type": [f"{path} is {found.dtype}" for path, _, found in both if _rounds(weights[path], found)],
    }
    if any(problems.values()):
        report = "; ".join(f"{kind}: {_some(names)}" for kind, names in problems.items() if names)
        raise ValueError(
            f"These weights do not fit this model, so none were loaded. Received {report}. Load them into the "
            "architecture they were saved from"
        )


def _rounds(variable: keras.Variable, tensor: StoredTensor) -> bool:
    # What is stored in single precision may be wanted in half; what is stored in double is not rounded in silence.
    others = {"float64": ("F64",), "int32": ("I32",), "int64": ("I32", "I64")}
    return tensor.dtype not in ("F16", "F32", *others.get(variable.dtype, ()))


def _some(names: list[str]) -> str:
    more = len(names) - MOST_LISTED
    return one_line(", ".join(names[:MOST_LISTED]), 1_000) + (f" and {more} more" if more > 0 else "")


def write_keras_files(model: keras.Model, folder: Path) -> None:
    """Write what core Keras needs beside the config to open a folder with `keras.saving.load_model`.

    Args:
        model: uncompiled, as `recurzoo.load` gives it; what it was trained with would be written too.
        folder: that gets `KERAS_FILES`.
    """
    with tempfile.TemporaryDirectory(dir=folder) as place:
        # In its archive Keras keeps just these files. It makes the HDF5 in memory: that library crashes on a full disk.
        model.save(Path(place, "model.keras"))
        with zipfile.ZipFile(Path(place, "model.keras")) as archive:
            for name in KERAS_FILES:
                archive.extract(name, folder)
    # Without the date, the same weights are the same bytes.
    metadata = folder / KERAS_FILES[0]
    facts = json.loads(metadata.read_text(encoding="utf-8"))
    metadata.write_text(json.dumps({"keras_version": facts["keras_version"]}) + "\n", encoding="utf-8")
