"""`recurzoo export`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated, Literal

import typer

from recurzoo.base.records import Report
from recurzoo.cli.options import Json, Limit, Name, OptionalData


def export_(
    name: Name,
    format: Annotated[
        Literal["onnx", "litert", "c", "saved_model"], typer.Option("--format", help="The file's format.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            help="The file, or a SavedModel's folder; in the checkpoint's own folder only model.onnx or model.tflite.",
        ),
    ],
    materialize: Annotated[
        bool, typer.Option("--materialize", help="Write the kernels that soft banks give: faster, larger.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what is there, even if it is no earlier export.")
    ] = False,
    steps: Annotated[
        bool, typer.Option("--steps", help="Of ONNX, one output for each step that the head can read.")
    ] = False,
    int8: Annotated[
        bool, typer.Option("--int8", help="Compute in int8, calibrated on training images of --data.")
    ] = False,
    input_dtype: Annotated[
        Literal["float32", "uint8"], typer.Option("--input", help="What the file takes; uint8 with --int8 alone.")
    ] = "float32",
    data: OptionalData = None,
    limit: Limit = None,
    json: Json = False,
) -> Report:
    """Write ONNX, LiteRT, C or SavedModel with each kernel once.

    The file is run, and its outputs and bytes are checked; with --data it is measured beside the checkpoint.

    Written into the checkpoint's own folder, the file is listed in its record.
    """
    from recurzoo.analysis.readouts import with_readouts
    from recurzoo.checkpoints.folder import RECORD
    from recurzoo.exporting import export
    from recurzoo.hub.client import refuse_to_change_a_download
    from recurzoo.zoo.finding import find_folder
    from recurzoo.zoo.loading import load
    from recurzoo.zoo.saving import recording

    folder = find_folder(name)
    inside = (out.parent / RECORD).is_file()
    if inside:
        _refuse_other_names(out, format, folder)
        if steps:
            raise ValueError(
                "In a checkpoint's folder an export gives the checkpoint's own outputs. Received: --steps, "
                f"--out {str(out)!r}; choose another folder"
            )
        refuse_to_change_a_download(name, folder)
    with recording(out.parent, out.name) if inside else contextlib.nullcontext():
        return export(
            with_readouts(load(folder)) if steps else folder,
            out,
            format,
            materialize,
            overwrite=overwrite,
            int8=int8,
            input_dtype=input_dtype,
            data=data,
            limit=limit,
        )


def _refuse_other_names(out: Path, format: str, folder: Path) -> None:
    from recurzoo.checkpoints.folder import EXPORTS

    if not out.parent.samefile(folder):
        raise ValueError(
            "A checkpoint's folder holds exports of that checkpoint alone. "
            f"Received: --out {str(out)!r} for {str(folder)!r}; choose another folder"
        )
    if out.name != EXPORTS.get(format):
        allowed = ", ".join(f"{name} for {format}" for format, name in EXPORTS.items())
        raise ValueError(
            f"In a checkpoint's folder an export has a name of its own: {allowed}. "
            f"Received: --out {str(out)!r} for {format}; take that name or another folder"
        )
