"""Writes a file, runs it, compares it, weighs it, and only then puts it in its place."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np

from recurzoo.base.errors import ExportError
from recurzoo.exporting.destination import destination, size_on_disk
from recurzoo.exporting.formats import check_suffix, get_format
from recurzoo.exporting.inference import inference_function, variables_read
from recurzoo.exporting.report import ExportReport
from recurzoo.exporting.runtime import Runtime
from recurzoo.layers.tree import all_layers

BATCHES = (1, 3)


def export(
    model: keras.Model,
    path: str | os.PathLike[str],
    format: Literal["onnx", "litert", "saved_model"] = "onnx",
    materialize: bool = False,
    tolerance: float = 1e-4,
    overwrite: bool = False,
) -> ExportReport:
    """Write a model as ONNX, LiteRT or SavedModel, with a dynamic batch and every shared kernel once.

    The file is run in its format's runtime on random images, at two batch sizes, and its outputs are compared with the
    model's. Its bytes may exceed those of the parameters by 10% and 64 KB (256 KB for a SavedModel). If it fails, or
    anything else does, the target stays as it was.

    Its input `images` is float32, `(batch, height, width, channels)`, pixels in 0..255; its output is `logits`.

    Soft banks stay templates and coefficients, mixed in the file at each run. That costs time in LiteRT alone, about
    three times that of a plain net, since its fast convolutions want constant kernels (ONNX Runtime mixes once, when it
    loads the file). `materialize` writes the kernels instead: as fast as a plain net, and as large.

    Args:
        model: a Keras model from one batch of images to one tensor, computing in float32.
        path: path of the file, or of the folder of a SavedModel; its parent must exist. An earlier export is replaced.
        format: `"onnx"`, `"litert"` or `"saved_model"`.
        materialize: bool, whether to replace soft banks by the kernels they give first.
        tolerance: float, the largest allowed difference of an output, times the largest output where that is above 1.
        overwrite: bool, whether to replace what is no earlier export as well.

    Returns:
        An `ExportReport`.

    Raises:
        ValueError: if there is no such format, or the model cannot be exported.
        ImportError: if the format's modules are not installed.
        OSError: if the path cannot be written.
        ExportError: on another backend than TensorFlow, or if the file does not pass its checks; a RuntimeError.

    Example:
        >>> recurzoo.export(recurzoo.load("swrn-22-1-2"), "swrn.onnx").bytes_ratio
    """
    if keras.backend.backend() != "tensorflow":
        raise ExportError(
            f"Export runs on the TensorFlow backend. Received: the {keras.backend.backend()!r} backend. Set "
            "KERAS_BACKEND=tensorflow before Python starts; a saved model opens there unchanged."
        )
    chosen = get_format(format)
    _check_model(model)
    target = Path(path)
    check_suffix(target, format)
    written = _materialized(model) if materialize else model
    parameters = sum(math.prod(variable.shape) for variable in variables_read(written, inference_function(written)))
    limit = parameters * 4 * 11 // 10 + chosen.overhead
    with destination(target, chosen.folder, overwrite) as partial:
        chosen.write(written, partial)
        size = size_on_disk(partial)
        if size > limit:
            raise ExportError(
                "The file is too large for its parameters, as if a shared kernel were in it more than once; it was not "
                f"kept. Received: {size} bytes for {parameters * 4} bytes of parameters; at most {limit} are allowed"
            )
        runtime = chosen.load(partial)
        difference = _largest_difference(runtime, model, tolerance)
    return ExportReport(
        path=str(target),
        format=format,
        runtime=runtime.name,
        bytes=size,
        parameters=parameters,
        parameter_bytes=parameters * 4,
        bytes_ratio=size / (parameters * 4),
        bytes_limit=limit,
        batches=BATCHES,
        largest_difference=difference,
        tolerance=tolerance,
        materialized=materialize,
    )


def _check_model(model: Any) -> None:
    inputs, outputs = getattr(model, "inputs", None) or [], getattr(model, "outputs", None) or []
    if len(inputs) != 1 or len(outputs) != 1 or len(inputs[0].shape) != 4:
        shapes = [tuple(tensor.shape) for tensor in inputs]
        raise ValueError(
            "A model is exported from one batch of images (batch, height, width, channels) to one tensor, and must be "
            f"built. Received: {type(model).__name__} with inputs {shapes} and {len(outputs)} outputs"
        )
    narrow = {layer.compute_dtype for layer in all_layers(model)} & {"float16", "bfloat16", "float64"}
    if narrow:
        raise ValueError(
            f"An exported model computes in float32. Received: a model with layers in {', '.join(sorted(narrow))}. "
            'Load it again under keras.config.set_dtype_policy("float32").'
        )


def _materialized(model: keras.Model) -> keras.Model:
    from recurzoo.rewriting import materialize

    return materialize(model)


def _largest_difference(runtime: Runtime, model: keras.Model, tolerance: float) -> float:
    differences = []
    for batch in BATCHES:
        images = runtime.random_images(batch, seed=batch)
        expected = keras.ops.convert_to_numpy(model(images, training=False))
        received = runtime.run(images)
        if received.shape != expected.shape:
            raise ExportError(
                f"The file's outputs have another shape than the model's; it was not kept. Received: {received.shape} "
                f"instead of {expected.shape} at batch {batch}"
            )
        difference = float(np.abs(received - expected).max())
        # Written so that NaN fails.
        if not difference <= tolerance * max(1.0, float(np.abs(expected).max())):
            raise ExportError(
                f"The file's outputs differ from the model's; it was not kept. Received: a difference of "
                f"{difference:.3g} at batch {batch}, outputs up to {np.abs(expected).max():.3g}, tolerance={tolerance}"
            )
        differences.append(difference)
    return max(differences)
