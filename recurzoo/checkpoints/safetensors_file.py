"""A checkpoint's weights for those who have no Keras: safetensors, keyed by the variables' paths."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from recurzoo.checkpoints.weights import stored_form

if TYPE_CHECKING:
    import keras


def write_safetensors(model: keras.Model, path: str | Path, architecture: str) -> None:
    """Write the arrays that `write_weights` writes, with the same rounding.

    Args:
        model: a built model.
        path: of the file, overwritten.
        architecture: its name, for the file's metadata.

    Example:
        >>> write_safetensors(model, "model.safetensors", "swrn-22-1-2")
        >>> safetensors.numpy.load_file("model.safetensors")["stage_1/bank/templates"].shape
    """
    from safetensors.numpy import save

    arrays = {variable.path: stored_form(variable) for variable in model.weights}
    # The library writes several entries in any order; with one, equal weights make equal files.
    Path(path).write_bytes(save(arrays, metadata={"architecture": architecture}))
