"""Writes a file, runs it, compares it, weighs it, and only then puts it in its place."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np

from recurzoo.base.errors import ExportError
from recurzoo.exporting.destination import destination
from recurzoo.exporting.formats import Format, check_suffix, get_format
from recurzoo.exporting.inference import OUTPUT, by_name, inference_function, output_names, variables_read
from recurzoo.exporting.int8 import check_images, is_pixels
from recurzoo.exporting.memory import peak_memory
from recurzoo.exporting.report import ExportReport, Measurement
from recurzoo.exporting.runtime import Runtime, time_ratio
from recurzoo.layers.tree import all_layers
from recurzoo.rewriting.fold import has_soft_banks
from recurzoo.tasks.evaluation import predict
from recurzoo.tasks.task import Task, open_task
from recurzoo.zoo.evaluating import model_and_record

# Of float32 the largest difference, of int8 the relative one.
TOLERANCE, INT8_TOLERANCE = 1e-4, 0.25
# Images that int8 is calibrated on where a data set's are taken.
CALIBRATION = 500
# What a file may weigh for its parameters: a tenth more, and in int8 15% more than a byte for each number of a kernel.
SLACK, INT8_SLACK = 1.1, 1.15
# Of single images that int8 and float32 are timed on.
PAIRS = 15


def export(
    model: keras.Model | str | Path,
    path: str | os.PathLike[str],
    format: Literal["onnx", "litert", "c", "saved_model"] = "onnx",
    materialize: bool = False,
    tolerance: float | None = None,
    overwrite: bool = False,
    int8: Any = None,
    input_dtype: Literal["float32", "uint8"] = "float32",
    data: str | None = None,
    limit: int | None = None,
) -> ExportReport:
    """Write a model as ONNX, LiteRT, C or SavedModel, with a dynamic batch and every shared kernel once.

    The file is run in its format's runtime on random images, at two batch sizes, and its outputs are compared with the
    model's. Its bytes may exceed those of the parameters by 10% and 64 KB (256 KB for a SavedModel). If it fails, or
    anything else does, the target stays as it was.

    Its input `images` is float32, `(batch, height, width, channels)`, pixels in 0..255; its output is `logits`. In ONNX
    a model that gives a dictionary, such as `recurzoo.with_readouts` makes, has one output for each of its names.

    Soft banks stay templates and coefficients, mixed in the file at each run. That costs time in LiteRT alone, about
    three times that of a plain net, since its fast convolutions want constant kernels (ONNX Runtime mixes once, when it
    loads the file). `materialize` writes the kernels instead: as fast as a plain net, and as large.

    With `int8` the file computes in int8: each shared kernel once, a scale per output channel and use, a scale per
    activation, and the normalization that follows a convolution in its scales. Soft banks are materialized; fold them
    first to have fewer kernels. The file is compared on the images it is calibrated on, and may have a byte for
    each number of the kernels, 15% more, four bytes for every other parameter, and 64 KB. C is for LiteRT for
    Microcontrollers: int8 in and out, one image at a time.

    Args:
        model: a Keras model from one batch of images to one tensor, or in ONNX to a dictionary of tensors, computing in
            float32; or what `load` takes.
        path: path of the file, or of the folder of a SavedModel; its parent must exist. An earlier export is replaced.
        format: `"onnx"`, `"litert"`, `"c"` (with `int8` alone) or `"saved_model"` (in float32 alone).
        materialize: bool, whether to replace soft banks by the kernels they give first.
        tolerance: float, the largest allowed difference of an output, times the largest output where that is above 1;
            1e-4 by default. In int8: the root mean square of the differences over the outputs' standard deviation; 0.25
            by default.
        overwrite: bool, whether to replace what is no earlier export as well.
        int8: array `(images, height, width, channels)`, some hundred images as the model was trained on, to calibrate
            int8 on; True for 500 training images of `data`; None for float32.
        input_dtype: `"float32"`, or in int8 `"uint8"` for an input of pixels as they are.
        data: words of a data set as `recurzoo.evaluate` takes them, to measure the file and the model on; and the
            memory of an inference, and of a file in int8 its time beside one in float32.
        limit: int, how many test examples at most; None for all.

    Returns:
        An `ExportReport`.

    Raises:
        ValueError: if there is no such format, the model cannot be exported, or the images are not what it takes.
        ImportError: if the format's modules are not installed.
        OSError: if the path cannot be written.
        ExportError: on another backend than TensorFlow, or if the file does not pass its checks; a RuntimeError.

    Example:
        >>> recurzoo.export(recurzoo.load("swrn-22-1-2"), "swrn.onnx").bytes_ratio
        >>> recurzoo.export("rc-4-w16", "rc.tflite", "litert", int8=True, data="tfds:cifar10").measured
        >>> recurzoo.export(recurzoo.with_readouts(recurzoo.load("rc-4-w16")), "steps.onnx")
    """
    if keras.backend.backend() != "tensorflow":
        raise ExportError(
            f"Export runs on the TensorFlow backend. Received: the {keras.backend.backend()!r} backend. Set "
            "KERAS_BACKEND=tensorflow before Python starts; a saved model opens there unchanged."
        )
    quantized = int8 is not None and int8 is not False
    if tolerance is None:
        tolerance = INT8_TOLERANCE if quantized else TOLERANCE
    chosen = get_format(format, quantized)
    if output_names(model) != [OUTPUT]:
        _check_several(model, format, quantized=quantized, materialize=materialize, data=data is not None)
    task: Task | None = None
    if data is not None:
        model, record = model_and_record(model)
        task = open_task(data, model, record, train=quantized, limit=limit)
    elif isinstance(model, (str, Path)):
        model, _ = model_and_record(model)
    _check_model(model)
    target = Path(path)
    check_suffix(target, format)
    images = _calibration_images(int8, task, model) if quantized else None
    _check_input_dtype(input_dtype, format, images)
    # Int8 is of the kernels themselves, not of what they are mixed from.
    written = _materialized(model) if materialize or (quantized and has_soft_banks(model)) else model
    read = variables_read(written, inference_function(written))
    parameters = sum(math.prod(variable.shape) for variable in read)
    limit_bytes = _limit(read, quantized) + chosen.overhead
    with destination(target, chosen.folder, overwrite) as partial:
        if images is not None:
            chosen.write_int8(written, partial, images, input_dtype)  # type: ignore[misc]
        else:
            chosen.write(written, partial)  # type: ignore[misc]
        size = chosen.size(partial)
        if size > limit_bytes:
            raise ExportError(
                "The file is too large for its parameters, as if a shared kernel were in it more than once; it was not "
                f"kept. Received: {size} bytes for {parameters * 4} bytes of parameters; at most {limit_bytes} are "
                "allowed"
            )
        runtime = chosen.load(partial)
        if images is not None:
            difference, relative = _int8_difference(runtime, model, images, tolerance)
        else:
            difference, relative = _largest_difference(runtime, model, tolerance, chosen.batches), None
        measured = None if task is None else _measure(runtime, model, task)
        latency = None if task is None or images is None else _latency_by_float32(runtime, written, chosen)
        memory = None if task is None else peak_memory(partial, format, tuple(task.test.images.shape[1:]))
    return ExportReport(
        path=str(target),
        format=format,
        runtime=runtime.name,
        bytes=size,
        parameters=parameters,
        parameter_bytes=parameters * 4,
        bytes_ratio=size / (parameters * 4),
        bytes_limit=limit_bytes,
        batches=chosen.batches if images is None else (len(images),),
        largest_difference=difference,
        relative_difference=relative,
        tolerance=tolerance,
        materialized=written is not model,
        int8=0 if images is None else len(images),
        operators=dict(runtime.operators),
        arena_bytes=runtime.arena_bytes,
        peak_memory_bytes=memory,
        latency_ratio=latency,
        measured=measured,
    )


def _calibration_images(int8: Any, task: Task | None, model: keras.Model) -> np.ndarray:
    if int8 is True:
        if task is None:
            raise ValueError(
                "Int8 is calibrated on images, or on a data set's. Received: int8=True without data; give "
                "int8=images, or data=..."
            )
        int8 = task.sample(None, CALIBRATION)
    return check_images(int8, model.inputs[0].shape[1:])


def _check_input_dtype(input_dtype: str, format: str, images: np.ndarray | None) -> None:
    if input_dtype not in ("float32", "uint8"):
        raise ValueError(f"A file takes float32 or uint8. Received: input_dtype={input_dtype!r}")
    if input_dtype == "uint8" and (images is None or format == "c" or not is_pixels(images)):
        raise ValueError(
            "Pixels in uint8 are for ONNX and LiteRT in int8, calibrated on pixels in 0..255. Received: "
            f"input_dtype='uint8', format={format!r}, "
            + ("without int8" if images is None else f"int8=images in {images.min():g}..{images.max():g}")
        )


def _limit(variables: Sequence[keras.Variable], quantized: bool) -> int:
    """The bytes that a file of these variables may have, but for the format's own."""
    kernels = [math.prod(v.shape) for v in variables if v.path.rsplit("/", 1)[-1] in ("kernel", "templates")]
    rest = sum(math.prod(v.shape) for v in variables) - sum(kernels)
    return int(sum(kernels) * INT8_SLACK) + 4 * rest if quantized else int((sum(kernels) + rest) * 4 * SLACK)


def _check_model(model: Any) -> None:
    inputs, outputs = getattr(model, "inputs", None) or [], getattr(model, "outputs", None) or []
    if len(inputs) != 1 or (len(outputs) != 1 and output_names(model) == [OUTPUT]) or len(inputs[0].shape) != 4:
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


def _check_several(model: keras.Model, format: str, **others: bool) -> None:
    """Refuse what is only for models of one output."""
    words = [f"format={format!r}", *(name for name, asked in others.items() if asked)]
    if format != "onnx" or any(others.values()):
        raise ValueError(
            "Outputs by name are exported as ONNX, in float32, and are neither materialized nor measured; rewrite a "
            f"model before it is given further outputs. Received: {model.name!r} with {len(model.output)} outputs by "
            f"name, {', '.join(words)}"
        )


def _materialized(model: keras.Model) -> keras.Model:
    from recurzoo.rewriting import materialize

    return materialize(model)


def _largest_difference(runtime: Runtime, model: keras.Model, tolerance: float, batches: Sequence[int]) -> float:
    differences = []
    for batch in batches:
        images = runtime.random_images(batch, seed=batch)
        received = by_name(runtime.run(images))
        for name, output in by_name(model(images, training=False)).items():
            expected = keras.ops.convert_to_numpy(output)
            _check_shape(received[name], expected)
            difference = float(np.abs(received[name] - expected).max())
            # Written so that NaN fails.
            if not difference <= tolerance * max(1.0, float(np.abs(expected).max())):
                raise ExportError(
                    f"The file's outputs differ from the model's; it was not kept. Received: a difference of "
                    f"{difference:.3g} of {name!r} at batch {batch}, outputs up to {np.abs(expected).max():.3g}, "
                    f"tolerance={tolerance}"
                )
            differences.append(difference)
    return max(differences)


def _int8_difference(runtime: Runtime, model: keras.Model, images: np.ndarray, tolerance: float) -> tuple[float, float]:
    expected, received = predict(model, images), runtime.run_all(images)
    _check_shape(received, expected)
    relative = float(np.sqrt(np.mean((received - expected) ** 2)) / max(float(expected.std()), 1e-12))
    if not relative <= tolerance:
        raise ExportError(
            "The file's outputs in int8 differ from the model's; it was not kept. Received: differences of "
            f"{relative:.3g} of the outputs' standard deviation, {tolerance=}; calibrate on more images, or on images "
            "as the model was trained on"
        )
    return float(np.abs(received - expected).max()), relative


def _check_shape(received: np.ndarray, expected: np.ndarray) -> None:
    if received.shape != expected.shape:
        raise ExportError(
            "The file's outputs have another shape than the model's; it was not kept. Received: "
            f"{received.shape} instead of {expected.shape}"
        )


def _latency_by_float32(runtime: Runtime, model: keras.Model, format: Format) -> float | None:
    """The time of one image in int8 by that of a float32 file of the same network in the same runtime."""
    if format.write is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"float32{format.suffix}")
        format.write(model, path)
        return time_ratio(runtime, format.load(path), 1, PAIRS)


def _measure(runtime: Runtime, model: keras.Model, task: Task) -> Measurement:
    examples = task.test
    outputs = predict(model, examples.images), runtime.run_all(examples.images)
    scores = [task.score(each, examples.labels) for each in outputs]
    return Measurement(data=task.source, metric=task.metric, examples=len(examples), model=scores[0], file=scores[1])
