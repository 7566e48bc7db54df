"""ONNX, as ONNX Runtime runs it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

import keras
import numpy as np

from recurzoo.exporting import onnx_int8
from recurzoo.exporting.inference import INPUT, OUTPUT, SharedKernels, inference_function, output_names
from recurzoo.exporting.int8 import quiet
from recurzoo.exporting.runtime import Runtime

OPSET = 18
# (out, in, height, width)
LAYOUT = (3, 2, 0, 1)


def write(model: keras.Model, path: Path) -> None:
    """Write a file of one graph, without loops.

    ONNX Runtime folds, when it loads the file, what the file keeps apart for its size.
    """
    proto, kernels = _converted(model)
    _store(proto, path, kernels)


def write_int8(model: keras.Model, path: Path, images: np.ndarray, input_dtype: str) -> None:
    """Write a file that computes in int8; its output is float32."""
    proto, _ = _converted(model)
    onnx_int8.prepare(proto)
    with quiet():
        proto = onnx_int8.quantize(proto, images)
    onnx_int8.share(proto)
    if input_dtype == "uint8":
        onnx_int8.take_pixels(proto)
    _store(proto, path)


def _converted(model: keras.Model) -> tuple[Any, Collection[str]]:
    """A float model, and the names of the shared kernels in it."""
    import onnx
    import tf2onnx

    shared = SharedKernels(model, LAYOUT)
    function = inference_function(model, shared)
    proto, _ = tf2onnx.convert.from_function(function, input_signature=function.input_signature, opset=OPSET)
    graph = proto.graph
    images = [value for value in graph.input if value.name not in shared.arrays]
    del graph.input[:]
    graph.input.extend(images)
    outputs = {value.name: value for value in graph.output}
    del graph.output[:]
    # In the model's order; TensorFlow has them by the alphabet.
    graph.output.extend(outputs[name] for name in output_names(model))
    graph.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in shared.arrays.items())
    return proto, shared.arrays.keys()


def _store(proto: Any, path: Path, kernels: Collection[str] = ()) -> None:
    import onnx

    _settle(proto.graph)
    _shorten_names(proto.graph, keep={INPUT, *(value.name for value in proto.graph.output), *kernels})
    onnx.checker.check_model(proto)
    path.write_bytes(proto.SerializeToString())


def _settle(graph: Any) -> None:
    """Let equal networks have equal files: each conversion has another order of constants and other names of sizes."""
    used = dict.fromkeys(name for node in graph.node for name in node.input)
    first_use = {name: number for number, name in enumerate(used)}
    constants = sorted(graph.initializer, key=lambda tensor: first_use[tensor.name])
    del graph.initializer[:]
    graph.initializer.extend(constants)
    graph.doc_string = ""
    for value in (*graph.input, *graph.output):
        for axis, size in enumerate(value.type.tensor_type.shape.dim):
            if not size.dim_value:
                size.dim_param = f"{value.name}_{axis}" if axis else "batch"


def _shorten_names(graph: Any, keep: set[str]) -> None:
    """Number the tensors: in a deep and narrow net, names of layers and scopes would take more bytes than kernels."""
    made = [*(tensor.name for tensor in graph.initializer), *(name for node in graph.node for name in node.output)]
    short = {name: str(number) for number, name in enumerate(made) if name and name not in keep}
    for tensor in graph.initializer:
        tensor.name = short.get(tensor.name, tensor.name)
    for node in graph.node:
        node.name = ""
        node.input[:] = [short.get(name, name) for name in node.input]
        node.output[:] = [short.get(name, name) for name in node.output]
    # Shapes of tensors by their old names; a runtime infers them anew.
    del graph.value_info[:]


def load(path: Path) -> Runtime:
    """Load a file into ONNX Runtime on the CPU."""
    import onnx
    import onnxruntime

    # Where its build tells its maker of each session, it looks up a host for that.
    onnxruntime.disable_telemetry_events()
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    dtype = "uint8" if "uint8" in session.get_inputs()[0].type else "float32"

    names = [output.name for output in session.get_outputs()]

    def run(images: np.ndarray) -> Any:
        outputs = dict(zip(names, session.run(names, {INPUT: images.astype(dtype)}), strict=True))
        return outputs[OUTPUT] if names == [OUTPUT] else outputs

    # Sizes the file leaves open have names or None.
    shape = tuple(size if isinstance(size, int) else None for size in session.get_inputs()[0].shape[1:])
    operators = Counter(node.op_type for node in onnx.load(path).graph.node)
    return Runtime(f"onnxruntime {onnxruntime.__version__}", shape, run, operators)
