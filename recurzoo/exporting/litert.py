"""LiteRT (TensorFlow Lite), as its interpreter runs it."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np

from recurzoo.exporting.inference import INPUT, OUTPUT, SharedKernels, inference_function
from recurzoo.exporting.runtime import Runtime

# (out, height, width, in)
LAYOUT = (3, 0, 1, 2)
SIGNATURE = "serving_default"
# Where the format wants its buffers, and its kernels read them.
ALIGNMENT = 16


def write(model: keras.Model, path: Path) -> None:
    """Write a file of one graph, without loops, with one signature, `serving_default`."""
    import tensorflow as tf
    from ai_edge_litert import schema_py_generated as schema

    shared = SharedKernels(model, LAYOUT)
    function = inference_function(model, shared).get_concrete_function()
    converted = tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module()).convert()
    file = schema.ModelT.InitFromPackedBuf(converted, 0)
    _fix_arguments(file, shared.arrays)
    _add_signature(file)
    _drop_names(file, keep={INPUT, OUTPUT, *shared.arrays})
    path.write_bytes(_packed(file))


def _fix_arguments(file: Any, arrays: dict[str, np.ndarray]) -> None:
    """Make the inputs that `arrays` names constants of the graph."""
    from ai_edge_litert import schema_py_generated as schema

    graph = file.subgraphs[0]
    for index in graph.inputs:
        tensor = graph.tensors[index]
        name = tensor.name.decode()
        if name in arrays:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(arrays[name].tobytes(), np.uint8)
            tensor.buffer = len(file.buffers)
            file.buffers.append(buffer)
    graph.inputs = [index for index in graph.inputs if graph.tensors[index].name.decode() not in arrays]


def _add_signature(file: Any) -> None:
    from ai_edge_litert import schema_py_generated as schema

    def named(name: str, index: int) -> Any:
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = name, index
        graph.tensors[index].name = name
        return entry

    graph = file.subgraphs[0]
    signature = schema.SignatureDefT()
    signature.signatureKey = SIGNATURE
    signature.subgraphIndex = 0
    signature.inputs = [named(INPUT, graph.inputs[0])]
    signature.outputs = [named(OUTPUT, graph.outputs[0])]
    file.signatureDefs = [signature]


def _drop_names(file: Any, keep: set[str]) -> None:
    """In a deep and narrow net, names of layers and scopes would take more bytes than kernels."""
    for tensor in file.subgraphs[0].tensors:
        name = tensor.name if isinstance(tensor.name, str) else tensor.name.decode()
        tensor.name = name if name in keep else None


def _packed(file: Any) -> bytes:
    import flatbuffers

    class AlignedBuilder(flatbuffers.Builder):
        # The generated code packs bytes without the alignment that the schema asks of buffers.
        def StartVector(self, size: int, count: int, alignment: int) -> Any:  # noqa: N802
            return super().StartVector(size, count, ALIGNMENT if size == 1 else alignment)

    builder = AlignedBuilder(1 << 20)
    builder.Finish(file.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def load(path: Path) -> Runtime:
    """Load a file into the LiteRT interpreter."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    given, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    current: list[tuple[int, ...]] = []

    def run(images: np.ndarray) -> np.ndarray:
        if current != [images.shape]:
            interpreter.resize_tensor_input(given["index"], images.shape)
            interpreter.allocate_tensors()
            current[:] = [images.shape]
        interpreter.set_tensor(given["index"], images)
        interpreter.invoke()
        return interpreter.get_tensor(result["index"])

    shape = tuple(None if size < 0 else int(size) for size in given["shape_signature"][1:])
    return Runtime(f"ai-edge-litert {version('ai-edge-litert')}", shape, run)
