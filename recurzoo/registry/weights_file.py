"""A checkpoint's weights: laid out as core Keras reads them, each array marked with its variable's path."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras
    import numpy as np

# Kernels above this size are stored in half precision; smaller ones are not worth the rounding.
HALF_PRECISION_BYTES = 1_000_000
KERNELS = ("kernel", "templates")


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


def count_parameters(model: keras.Model, consolidated: bool = False) -> int:
    """The number of trainable parameters; those of a frozen layer count as well, moving statistics never do.

    Args:
        model: a built model.
        consolidated: bool, whether a relaxed bank counts as the one kernel that consolidating leaves of it.
    """
    from recurzoo.sharing import RelaxedBank

    own = {id(v): math.prod(v.shape) for layer in model._flatten_layers() for v in layer._trainable_variables}
    banks = [layer for layer in model._flatten_layers() if consolidated and isinstance(layer, RelaxedBank)]
    return sum(own.values()) - sum((bank.slots - 1) * math.prod(bank.kernel_shape) for bank in banks)


def stored_form(variable: keras.Variable) -> np.ndarray:
    """A weight as the array that is stored for it."""
    import numpy as np
    from keras import ops

    array = ops.convert_to_numpy(variable)
    if array.dtype == "float32" and variable.name in KERNELS and array.nbytes > HALF_PRECISION_BYTES:
        with np.errstate(over="ignore"):
            half = array.astype("float16")
        return half if np.isfinite(half).all() else array
    return array


def load_weights_strictly(
    model: keras.Model, path: str | Path, may_differ: Callable[[str], bool] = lambda name: False
) -> None:
    """Load weights by their variables' paths: every weight of the model from the file, and none left over there.

    Nothing is loaded unless everything fits.

    Args:
        model: a built model.
        path: of a file that `write_weights` wrote.
        may_differ: says of a variable's path whether it may be missing, left over, or of another shape; then it stays
            as it is.

    Raises:
        ValueError: if the file is not one of ours; or, in one error, which weights are missing, unexpected, or of
            another shape.
    """
    import h5py

    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ValueError(f"This is no file of weights. Received: {str(path)!r} ({error})") from None
    with file:
        arrays: dict[str, Any] = {}
        unmarked: list[str] = []

        def visit(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                arrays[item.attrs.get("path", name)] = item
                unmarked.extend([name] * ("path" not in item.attrs))

        file.visititems(visit)
        if unmarked:
            raise ValueError(
                f"recurzoo.save did not write this file: its arrays do not say which weights they are. "
                f"Received: {str(path)!r}; open it with keras.saving.load_model"
            )
        variables = {variable.path: variable for variable in model.weights}
        missing = sorted(name for name in set(variables) - set(arrays) if not may_differ(name))
        unexpected = sorted(name for name in set(arrays) - set(variables) if not may_differ(name))
        shared = [name for name in variables if name in arrays and not may_differ(name)]
        misshapen = [
            f"{name} is {arrays[name].shape}, not {tuple(variables[name].shape)}"
            for name in shared
            if arrays[name].shape != tuple(variables[name].shape)
        ]
        problems = {"missing": missing, "unexpected": unexpected, "of another shape": misshapen}
        if any(problems.values()):
            report = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in problems.items() if names)
            raise ValueError(
                f"These weights do not fit this model, so none were loaded. Received {report}. Load them into the "
                "architecture they were saved from."
            )
        for name in shared:
            variables[name].assign(arrays[name][()])
