"""A checkpoint's weights: laid out as core Keras reads them, each array marked with its variable's path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recurzoo.checkpoints.hdf5_file import StoredArray, read_arrays

if TYPE_CHECKING:
    import keras
    import numpy as np

# Kernels above this size are stored in half precision; smaller ones are not worth the rounding.
HALF_PRECISION_BYTES = 1_000_000
KERNELS = ("kernel", "templates")
# Of the weights that do not fit.
MOST_TOLD = 10
MayDiffer = Callable[[str], bool]


def nothing(path: str) -> bool:
    """No weight may differ."""
    return False


def write_weights(model: keras.Model, path: str | Path) -> None:
    """Write a model's weights, and nothing of its optimizer or metrics.

    Kernels of more than a megabyte are stored as float16; statistics, scales, biases and coefficients never are.

    Args:
        model: a built model.
        path: of the file, overwritten.

    Raises:
        ValueError: if two weights have the same path.
    """
    # Keras' own walk over the model names the places where `keras.saving.load_model` will look.
    from keras.src.saving import saving_lib

    weights = {id(variable): variable.path for variable in model.weights}
    if len(set(weights.values())) < len(weights):
        twice = sorted({name for name in weights.values() if list(weights.values()).count(name) > 1})
        raise ValueError(f"Each weight needs a path of its own; name the layers. Received: {', '.join(twice)}")

    class Store(saving_lib.H5IOStore):
        def make(self, path: str, metadata: Any = None) -> Any:
            return super().make(path)  # No empty groups for layers without weights.

        def __setitem__(self, key: str, variable: Any) -> None:
            if id(variable) in weights:
                super().__setitem__(key, stored_form(variable))
                self._h5_entry_group[key].attrs["path"] = weights[id(variable)]

    store = Store(path, mode="w")
    try:
        saving_lib._save_state(model, weights_store=store, assets_store=None, inner_path="", visited_saveables=set())
    finally:
        store.close()


def stored_form(variable: keras.Variable) -> np.ndarray:
    """A weight as the array that is stored for it."""
    import numpy as np
    from keras import ops

    array = ops.convert_to_numpy(variable)
    if array.dtype.name == "bfloat16":
        # Neither format of file has it for NumPy.
        array = array.astype("float32")
    if array.dtype == "float32" and variable.name in KERNELS and array.nbytes > HALF_PRECISION_BYTES:
        with np.errstate(over="ignore"):
            half = array.astype("float16")
        return half if np.isfinite(half).all() else array
    return array


def read_weights(path: str | Path) -> dict[str, StoredArray]:
    """The arrays of a file that `write_weights` wrote, by their variables' paths, none of them read yet.

    Args:
        path: of the file.

    Raises:
        ValueError: if the file is not one of ours.
    """
    arrays = read_arrays(path)
    if unmarked := [array.place for array in arrays if array.path is None]:
        raise ValueError(
            f"recurzoo.save did not write this file: {len(unmarked)} of its arrays do not say which weights they are. "
            f"Received: {str(path)!r}; open it with keras.saving.load_model"
        )
    by_path = {str(array.path): array for array in arrays}
    if len(by_path) < len(arrays):
        raise ValueError(
            f"Two arrays of this file say that they are the same weight. Received: {str(path)!r}; fetch it anew"
        )
    return by_path


def check_fit(model: keras.Model, arrays: Mapping[str, StoredArray], may_differ: MayDiffer = nothing) -> None:
    """Compare the weights of a model with arrays, by path: each has its place, none is left over.

    Args:
        model: a built model, whose weights need no values yet.
        arrays: what `read_weights` gives.
        may_differ: says of a variable's path whether it may be missing, left over, or of another shape.

    Raises:
        ValueError: in one error, which weights are missing, unexpected, or of another shape.
    """
    shapes = {variable.path: tuple(variable.shape) for variable in model.weights}
    missing = sorted(name for name in set(shapes) - set(arrays) if not may_differ(name))
    unexpected = sorted(name for name in set(arrays) - set(shapes) if not may_differ(name))
    misshapen = [
        f"{name} is {arrays[name].shape}, not {shape}"
        for name, shape in shapes.items()
        if name in arrays and not may_differ(name) and arrays[name].shape != shape
    ]
    problems = {"missing": missing, "unexpected": unexpected, "of another shape": misshapen}
    if any(problems.values()):
        report = "; ".join(f"{kind}: {_some(names)}" for kind, names in problems.items() if names)
        raise ValueError(
            f"These weights do not fit this model, so none were loaded. Received {report}. Load them into the "
            "architecture they were saved from."
        )


def _some(names: list[str]) -> str:
    more = len(names) - MOST_TOLD
    return ", ".join(names[:MOST_TOLD]) + (f" and {more} more" if more > 0 else "")


def assign_weights(model: keras.Model, arrays: Mapping[str, StoredArray], may_differ: MayDiffer = nothing) -> None:
    """Give weights the values of arrays that were found to fit; those that may differ stay as they are."""
    for variable in model.weights:
        if not may_differ(variable.path):
            variable.assign(arrays[variable.path].read())


def build_to_fit(
    build: Callable[[], keras.Model], arrays: Mapping[str, StoredArray], may_differ: MayDiffer = nothing
) -> keras.Model:
    """Build a model whose weights take memory only once their shapes are known to be those of arrays.

    So what a config asks for is never larger than the file that comes with it.

    Args:
        build: makes the model.
        arrays: what `read_weights` gives.
        may_differ: as in `check_fit`.

    Returns:
        The model, with the arrays' values.

    Raises:
        ValueError: as `check_fit`.
    """
    from recurzoo.families.deferring import deferred_weights

    with deferred_weights():
        model = build()
        check_fit(model, arrays, may_differ)
    assign_weights(model, arrays, may_differ)
    return model
