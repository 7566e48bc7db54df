"""LiteRT (TensorFlow Lite), as its interpreter runs it."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np

from recurzoo.exporting import litert_int8
from recurzoo.exporting.inference import INPUT, OUTPUT, SharedKernels, inference_function
from recurzoo.exporting.int8 import quiet
from recurzoo.exporting.runtime import Runtime

# (out, height, width, in)
LAYOUT = (3, 0, 1, 2)
SIGNATURE = "serving_default"
# Where the format wants its buffers, and its kernels read them.
ALIGNMENT = 16


def write(model: keras.Model, path: Path) -> None:
    """Write a file of one graph, without loops, with one signature, `serving_default`."""
    file = _converted(model)
    _add_signature(file)
    _shorten_names(file)
    path.write_bytes(_packed(file))


def write_int8(model: keras.Model, path: Path, images: np.ndarray, input_dtype: str) -> None:
    """Write a file that computes in int8 alone; its output is float32."""
    path.write_bytes(int8_content(model, images, input_dtype))


def int8_content(model: keras.Model, images: np.ndarray, input_dtype: str, one_by_one: bool = False) -> bytes:
    """The bytes of a file that computes in int8 alone, for any batch size or for single images."""
    batch = 1 if one_by_one else None
    file = _converted(model, batch)
    litert_int8.prepare(file)
    _add_signature(file)
    with quiet():
        file = litert_int8.quantize(_packed(file), images, SIGNATURE, batch)
    litert_int8.share(file)
    litert_int8.set_ends(file, input_dtype)
    _add_signature(file)
    _shorten_names(file)
    return _packed(file)


def _converted(model: keras.Model, batch: int | None = None) -> Any:
    import tensorflow as tf
    from ai_edge_litert import schema_py_generated as schema

    shared = SharedKernels(model, LAYOUT)
    function = inference_function(model, shared, batch).get_concrete_function()
    converted = tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module()).convert()
    file = schema.ModelT.InitFromPackedBuf(converted, 0)
    _fix_arguments(file, shared.arrays)
    return file


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


def _shorten_names(file: Any) -> None:
    """Number the tensors: names of layers and scopes would take more bytes than kernels in a deep and narrow net.

    OpenVINO reads no file whose tensors have no names.
    """
    ends = {int(index) for index in (*file.subgraphs[0].inputs, *file.subgraphs[0].outputs)}
    for index, tensor in enumerate(file.subgraphs[0].tensors):
        if index not in ends:
            tensor.name = f"{index:x}"


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
        interpreter.set_tensor(given["index"], images.astype(given["dtype"]))
        interpreter.invoke()
        return interpreter.get_tensor(result["index"])

    shape = tuple(None if size < 0 else int(size) for size in given["shape_signature"][1:])
    return Runtime(f"ai-edge-litert {version('ai-edge-litert')}", shape, run, operators_of(path.read_bytes()))


def operators_of(content: bytes) -> Counter[str]:
    """How many operators of each kind a file has."""
    from ai_edge_litert import schema_py_generated as schema

    file = schema.ModelT.InitFromPackedBuf(content, 0)
    names = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
    codes = [litert_int8.kind_of(code) for code in file.operatorCodes]
    return Counter(names[codes[operator.opcodeIndex]] for operator in file.subgraphs[0].operators)
