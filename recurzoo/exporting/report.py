"""What an export tells about itself."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table

from recurzoo.base.records import Report


class Measurement(Report):
    """What a file and its model reach on the same examples.

    Attributes:
        data: str, what they were measured on, in words.
        metric: str, such as `"accuracy"`.
        examples: int, how many.
        model: float, the Keras model's.
        file: float, the file's, in its runtime.
    """

    data: str
    metric: str
    examples: int
    model: float
    file: float

    def in_words(self) -> tuple[str, str]:
        return (
            self.metric,
            f"{self.file:.4f}, the model's {self.model:.4f}, on {self.examples:,} examples of {self.data}",
        )


class ExportReport(Report):
    """What `export` wrote and checked.

    Attributes:
        path: str, the file, or the folder of a SavedModel.
        format: str, `"onnx"`, `"litert"`, `"c"` or `"saved_model"`.
        runtime: str, the runtime that ran the file, and its version.
        bytes: int, on disk.
        parameters: int, numbers in the variables that inference reads, each variable once.
        parameter_bytes: int, the bytes of these as float32.
        bytes_ratio: float, bytes on disk by bytes of parameters.
        bytes_limit: int, what `bytes` was checked against.
        batches: the batch sizes that were run.
        largest_difference: float, between the file's outputs and the Keras model's, over all batches.
        relative_difference: float, of a file in int8: the root mean square of these differences over the standard
            deviation of the model's outputs.
        tolerance: float, what the largest, or in int8 the relative difference was checked against.
        materialized: bool, whether soft banks were replaced by the kernels they give.
        int8: int, how many images int8 was calibrated on; 0 of a file in float32.
        operators: how many operators of each kind the file has; none counted of a SavedModel.
        arena_bytes: int, the memory of an inference on a microcontroller, of C.
        peak_memory_bytes: int, of an ONNX or LiteRT file that is measured, by how much a process grows at most while it
            loads the file and answers for one image; on Linux.
        latency_ratio: float, of a file in int8 that is measured, the time of one image by that of a float32 file, the
            median over pairs timed back to back; not of C.
        measured: what the file and the model reach on a data set's test examples, if there was one.
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
    relative_difference: float | None = None
    tolerance: float
    materialized: bool
    int8: int = 0
    operators: dict[str, int] = {}
    arena_bytes: int | None = None
    peak_memory_bytes: int | None = None
    latency_ratio: float | None = None
    measured: Measurement | None = None

    def __rich__(self) -> RenderableType:
        table = Table(title=f"Exported to {self.path}", show_header=False)
        kind = f", int8 by the ranges of {self.int8:,} images" if self.int8 else ""
        table.add_row("format", self.format + kind + (", materialized" if self.materialized else ""))
        table.add_row("parameters", f"{self.parameters:,} ({self.parameter_bytes:,} bytes in float32)")
        table.add_row("bytes", f"{self.bytes:,} ({self.bytes_ratio:.3f} of the parameters; limit {self.bytes_limit:,})")
        batches = " and ".join(map(str, self.batches))
        table.add_row(
            "largest difference", f"{self.largest_difference:.2g} in {self.runtime}, batches of {batches} images"
        )
        if self.relative_difference is not None:
            table.add_row("relative difference", f"{self.relative_difference:.3f} of the outputs' standard deviation")
        if self.operators:
            counts = sorted(self.operators.items(), key=lambda item: (-item[1], item[0]))
            table.add_row("operators", ", ".join(f"{name} {count}" for name, count in counts))
        if self.arena_bytes is not None:
            table.add_row("arena", f"{self.arena_bytes:,} bytes")
        if self.peak_memory_bytes is not None:
            table.add_row("memory", f"{self.peak_memory_bytes:,} bytes at most, to load it and answer for one image")
        if self.latency_ratio is not None:
            table.add_row("latency", f"{self.latency_ratio:.2f} of float32's, for one image")
        if self.measured is not None:
            table.add_row(*self.measured.in_words())
        return table
