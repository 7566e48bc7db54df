"""What a checkpoint's model costs: its operations, and the bytes of its smallest exported file."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from recurzoo.registry.loading import load
from recurzoo.results.row import Measured

if TYPE_CHECKING:
    from recurzoo.models import ZooModel

# The similarity from which `recurzoo.fold` ties kernels unless told otherwise.
THRESHOLD = 0.9


def measure(folder: Path) -> Measured:
    """Count a checkpoint's operations, and export it to weigh the file.

    Args:
        folder: of the checkpoint.

    Returns:
        A `Measured`.

    Raises:
        ImportError: if the modules for export are not installed.
        ExportError: on another backend than TensorFlow, or if the exported file does not pass its checks.
        ValueError: if the checkpoint does not load.
    """
    from recurzoo.benchmarking import macs

    model = load(folder)
    return Measured(macs(model), folded_onnx_bytes(model))


def folded_onnx_bytes(model: ZooModel, threshold: float = THRESHOLD) -> int:
    """The bytes of a model's ONNX file, softly shared kernels folded first; other models are exported as they are.

    Args:
        model: a `ZooModel`, left as it is.
        threshold: float in 0..1, the similarity from which kernels are tied.

    Returns:
        An int. It may vary by a few bytes from export to export, as names in the file do.

    Raises:
        ImportError: if the modules for export are not installed.
        ExportError: on another backend than TensorFlow, or if the file does not pass its checks.
    """
    from recurzoo.exporting import export
    from recurzoo.folding import fold
    from recurzoo.sharing import SoftBank

    soft = any(isinstance(bank, SoftBank) for stage in model.stages for bank in stage.banks)
    with tempfile.TemporaryDirectory() as folder:
        return export(fold(model, threshold) if soft else model, Path(folder, "model.onnx"), "onnx").bytes
