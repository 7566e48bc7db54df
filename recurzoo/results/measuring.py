"""What a checkpoint's model costs: its operations, and the bytes of its ONNX file."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from recurzoo.base.errors import ExportError
from recurzoo.results.row import Measured

if TYPE_CHECKING:
    from recurzoo.models import ZooModel


def measure(model: ZooModel) -> Measured:
    """Count a model's operations, and export it to weigh the ONNX file, softly shared kernels folded first.

    Args:
        model: a `ZooModel`, left as it is.

    Returns:
        A `Measured`. Its bytes may vary by a few from export to export, as names in the file do.

    Raises:
        ImportError: if the modules for export are not installed.
        ExportError: on another backend than TensorFlow, or if the exported file does not pass its checks.
    """
    from recurzoo.benchmarking import macs

    return Measured(macs(model), _folded_onnx_bytes(model))


def measure_what_can_be(model: ZooModel) -> Measured:
    """What `measure` gives, without the bytes where nothing can be exported.

    Args:
        model: a `ZooModel`, left as it is.
    """
    from recurzoo.benchmarking import macs

    operations = macs(model)
    try:
        return Measured(operations, _folded_onnx_bytes(model))
    except (ImportError, ExportError):
        return Measured(operations)


def _folded_onnx_bytes(model: ZooModel) -> int:
    from recurzoo.exporting import export
    from recurzoo.rewriting import fold
    from recurzoo.sharing import SoftBank

    soft = any(isinstance(bank, SoftBank) for stage in model.stages for bank in stage.banks)
    with tempfile.TemporaryDirectory() as folder:
        return export(fold(model) if soft else model, Path(folder, "model.onnx"), "onnx").bytes
