"""What an export tells about itself."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table

from recurzoo.base.records import Report


class ExportReport(Report):
    """What `export` wrote and checked.

    Attributes:
        path: str, the file, or the folder of a SavedModel.
        format: str, `"onnx"`, `"litert"` or `"saved_model"`.
        runtime: str, the runtime that ran the file, and its version.
        bytes: int, on disk.
        parameters: int, numbers in the variables that inference reads, each variable once.
        parameter_bytes: int, the bytes of these as float32.
        bytes_ratio: float, bytes on disk by bytes of parameters.
        bytes_limit: int, what `bytes` was checked against.
        batches: the batch sizes that were run.
        largest_difference: float, between the file's outputs and the Keras model's, over all batches.
        tolerance: float, what it was checked against.
        materialized: bool, whether soft banks were replaced by the kernels they give.
    """

    path: str
    format: str
    runtime: str
    bytes: int
    parameters: int
    parameter_bytes: int
    bytes_ratio: float
    bytes_limit: int
    batches: tuple[int, ...]
    largest_difference: float
    tolerance: float
    materialized: bool

    def __rich__(self) -> RenderableType:
        table = Table(title=f"Exported to {self.path}", show_header=False)
        table.add_row("format", self.format + (", materialized" if self.materialized else ""))
        table.add_row("parameters", f"{self.parameters:,} ({self.parameter_bytes:,} bytes)")
        table.add_row("bytes", f"{self.bytes:,} ({self.bytes_ratio:.3f} of the parameters; limit {self.bytes_limit:,})")
        batches = " and ".join(map(str, self.batches))
        table.add_row(
            "largest difference", f"{self.largest_difference:.2g} in {self.runtime}, batches of {batches} images"
        )
        return table
