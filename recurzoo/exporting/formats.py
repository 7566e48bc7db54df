"""The formats by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np

from recurzoo.exporting import litert, micro, onnx, saved_model
from recurzoo.exporting.destination import size_on_disk
from recurzoo.exporting.runtime import Runtime


@dataclasses.dataclass(frozen=True)
class Format:
    """A format that `export` writes.

    Attributes:
        write: writes a model to a path in float32; None where there is int8 alone.
        load: loads what was written into its runtime.
        write_int8: writes a model that computes in int8, calibrated on images, its input of a dtype; None where there
            is float32 alone.
        size: the bytes that what was written takes where it is used.
        overhead: int, bytes that a file may have on top of 110% of its parameters'.
        folder: bool, whether it is a folder.
        requires: the modules of the `export` extra that it needs.
        int8_requires: those that int8 needs as well.
        suffix: that its files are known by; empty for a folder.
        batches: the batch sizes that a file is run at to compare its outputs.
    """

    write: Callable[[keras.Model, Path], None] | None
    load: Callable[[Path], Runtime]
    write_int8: Callable[[keras.Model, Path, np.ndarray, str], None] | None = None
    size: Callable[[Path], int] = size_on_disk
    overhead: int = 64 * 1024
    folder: bool = False
    requires: tuple[str, ...] = ()
    int8_requires: tuple[str, ...] = ()
    suffix: str = ""
    batches: tuple[int, ...] = (1, 3)


FORMATS = {
    "onnx": Format(onnx.write, onnx.load, onnx.write_int8, requires=("tf2onnx", "onnx", "onnxruntime"), suffix=".onnx"),
    "litert": Format(
        litert.write,
        litert.load,
        litert.write_int8,
        requires=("ai_edge_litert",),
        int8_requires=("ai_edge_quantizer",),
        suffix=".tflite",
    ),
    "c": Format(
        None,
        micro.load,
        micro.write_int8,
        requires=("ai_edge_litert", "ai_edge_quantizer", "tflite_micro"),
        size=micro.array_size,
        suffix=".c",
        batches=(1,),
    ),
    "saved_model": Format(saved_model.write, saved_model.load, overhead=256 * 1024, folder=True),
}


def format_of(path: Path) -> str | None:
    """The name of the format that a file's ending says; None if it says none."""
    return next((name for name, found in FORMATS.items() if found.suffix and path.suffix.lower() == found.suffix), None)


def check_suffix(path: Path, name: str) -> None:
    """Refuse a path whose ending is that of another format than the one it shall have.

    Raises:
        ValueError: if it is.
    """
    other = format_of(path)
    if other not in (None, name):
        raise ValueError(
            f"A file's ending says what it is. Received: path={str(path)!r} for format={name!r}; take another path, or "
            f"format={other!r}"
        )


def get_format(name: str, int8: bool = False) -> Format:
    """The format of a name.

    Args:
        name: str, `"onnx"`, `"litert"`, `"c"` or `"saved_model"`.
        int8: bool, whether it is wanted in int8.

    Returns:
        A `Format` whose modules are installed.

    Raises:
        ValueError: if there is no such format, or not in int8, or in int8 alone.
        ImportError: if a module it needs is not installed.
    """
    if name not in FORMATS:
        raise ValueError(f"A model is exported as one of {', '.join(FORMATS)}. Received: format={name!r}")
    found = FORMATS[name]
    if (found.write_int8 if int8 else found.write) is None:
        others = [other for other, format in FORMATS.items() if (format.write_int8 if int8 else format.write)]
        raise ValueError(
            f"A model is exported in {'int8' if int8 else 'float32'} as one of {', '.join(others)}. Received: "
            f"format={name!r} {'with' if int8 else 'without'} images to calibrate int8 on"
        )
    missing = [module for module in found.requires + found.int8_requires * int8 if find_spec(module) is None]
    if missing:
        raise ImportError(
            f"The format {name!r} needs modules that are not installed. Received: no {', '.join(missing)}. "
            'Install them by: pip install "recurzoo[export]"'
        )
    return found
