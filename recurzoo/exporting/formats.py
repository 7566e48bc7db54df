"""The formats by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import keras

from recurzoo.exporting import litert, onnx, saved_model
from recurzoo.exporting.runtime import Runtime


@dataclasses.dataclass(frozen=True)
class Format:
    """A format that `export` writes.

    Attributes:
        write: writes a model to a path.
        load: loads what it wrote into its runtime.
        overhead: int, bytes that a file may have on top of 110% of its parameters'.
        folder: bool, whether it is a folder.
        requires: the modules of the `export` extra that it needs.
        suffix: that its files are known by; empty for a folder.
    """

    write: Callable[[keras.Model, Path], None]
    load: Callable[[Path], Runtime]
    overhead: int = 64 * 1024
    folder: bool = False
    requires: tuple[str, ...] = ()
    suffix: str = ""


FORMATS = {
    "onnx": Format(onnx.write, onnx.load, requires=("tf2onnx", "onnx", "onnxruntime"), suffix=".onnx"),
    "litert": Format(litert.write, litert.load, requires=("ai_edge_litert",), suffix=".tflite"),
    "saved_model": Format(saved_model.write, saved_model.load, overhead=256 * 1024, folder=True),
}


def check_suffix(path: Path, name: str) -> None:
    """Refuse a path whose ending is that of another format than the one it shall have.

    Raises:
        ValueError: if it is.
    """
    others = [other for other, found in FORMATS.items() if found.suffix and path.suffix.lower() == found.suffix]
    if others and others != [name]:
        raise ValueError(
            f"A file's ending says what it is. Received: path={str(path)!r} for format={name!r}; take another path, or "
            f"format={others[0]!r}"
        )


def get_format(name: str) -> Format:
    """The format of a name.

    Args:
        name: str, `"onnx"`, `"litert"` or `"saved_model"`.

    Returns:
        A `Format` whose modules are installed.

    Raises:
        ValueError: if there is no such format.
        ImportError: if a module it needs is not installed.
    """
    if name not in FORMATS:
        raise ValueError(f"A model is exported as one of {', '.join(FORMATS)}. Received: format={name!r}")
    missing = [module for module in FORMATS[name].requires if find_spec(module) is None]
    if missing:
        raise ImportError(
            f"The format {name!r} needs modules that are not installed. Received: no {', '.join(missing)}. "
            'Install them by: pip install "recurzoo[export]"'
        )
    return FORMATS[name]
