"""Export to ONNX, LiteRT and SavedModel, with every shared kernel once in the file."""

from recurzoo.exporting.exporter import export
from recurzoo.exporting.report import ExportReport

__all__ = ["ExportReport", "export"]
