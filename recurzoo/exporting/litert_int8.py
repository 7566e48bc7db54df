"""A LiteRT graph made to compute in int8, see `int8`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from recurzoo.exporting.inference import INPUT
from recurzoo.exporting.int8 import BATCH, USE, are_one_kernel, is_pixels


def prepare(file: Any) -> None:
    """Put normalizations of a float graph, in place, into copies of kernels, or make them depthwise convolutions."""
    graph = _Graph(file)
    graph.transpose_constants()
    for product, addition in list(graph.normalizations()):
        graph.fold(product, addition)
    graph.remove_unused()
    for number, tensor in enumerate(graph.tensors):
        tensor.name = tensor.name or f"tensor_{number}"


def quantize(packed: bytes, images: np.ndarray, signature: str, batch: int | None = None) -> Any:
    """Quantize weights per channel and activations per tensor, with the ranges that these images give.

    Args:
        packed: bytes, a file with one signature, whose tensors have names.
        images: float32 array `(images, height, width, channels)`.
        signature: str, the signature's name.
        batch: int, the batch size that the file takes; None for any.

    Returns:
        The file as an object, whose input and output are int8.
    """
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_quantizer import calibrator, quantizer, recipe, recipe_manager
    from ai_edge_quantizer.utils import qsv_utils

    manager = recipe_manager.RecipeManager()
    manager.load_quantization_recipe(recipe.static_wi8_ai8())
    # Not the moving average of batches, its default, which would cut the largest values off.
    observer = calibrator.Calibrator(bytearray(packed), qsv_update_func=qsv_utils.min_max_update)
    batches = np.array_split(images, math.ceil(len(images) / (batch or BATCH)))
    observer.calibrate({signature: [{INPUT: batch} for batch in batches]}, manager)
    ranges = observer.get_model_qsvs()
    if is_pixels(images):
        # Whatever these images hold, so that a pixel is its own number less 128.
        ranges[INPUT] = {name: np.full_like(ranges[INPUT][name], value) for name, value in (("min", 0), ("max", 255))}
    content = quantizer.Quantizer(bytearray(packed), recipe.static_wi8_ai8()).quantize(ranges).quantized_model
    file = schema.ModelT.InitFromPackedBuf(content, 0)
    for buffer in file.buffers:
        # It puts the constants behind the tables, where a second packing would lose them.
        if buffer.offset > 1:
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    for code in file.operatorCodes:
        # It writes the later field alone, and OpenVINO reads the older one.
        code.deprecatedBuiltinCode = min(kind_of(code), 127)
    _Graph(file).take_shapes_of_integers()
    return file


def share(file: Any) -> None:
    """Let the int8 copies of one kernel, in place, have one buffer, and each its own scales."""
    tensors = file.subgraphs[0].tensors
    kernels = {name.split(USE)[0] for name in map(_name, tensors) if USE in name}
    first: dict[str, Any] = {}
    for tensor in tensors:
        kernel = _name(tensor).split(USE)[0]
        if kernel not in kernels:
            continue
        kept = first.setdefault(kernel, tensor)
        ours, others = (np.asarray(file.buffers[t.buffer].data, np.uint8).view(np.int8) for t in (tensor, kept))
        if are_one_kernel(ours, others):
            tensor.buffer = kept.buffer
    _drop_unused_buffers(file)


def set_ends(file: Any, input_dtype: str) -> None:
    """Let the input be `input_dtype`, "uint8" or "float32", and the output float32; or both int8, as they are."""
    if input_dtype == "int8":
        return
    graph = _Graph(file)
    types, kinds = graph.schema.TensorType, graph.schema.BuiltinOperator
    inner_input, inner_output = int(graph.graph.inputs[0]), int(graph.graph.outputs[0])
    images = graph.add_end(inner_input, {"uint8": types.UINT8, "float32": types.FLOAT32}[input_dtype])
    outputs = graph.add_end(inner_output, types.FLOAT32)
    graph.graph.inputs, graph.graph.outputs = [images], [outputs]
    graph.graph.operators.insert(0, graph.make_operator(kinds.QUANTIZE, images, inner_input))
    graph.graph.operators.append(graph.make_operator(kinds.DEQUANTIZE, inner_output, outputs))


def kind_of(code: Any) -> int:
    """The `BuiltinOperator` of an operator code: up to 127 it stands in the older field, which later files keep too."""
    return max(code.builtinCode, code.deprecatedBuiltinCode)


def _drop_unused_buffers(file: Any) -> None:
    used = {tensor.buffer for graph in file.subgraphs for tensor in graph.tensors}
    for number, buffer in enumerate(file.buffers):
        if number not in used:
            buffer.data = None


def _name(tensor: Any) -> str:
    return tensor.name if isinstance(tensor.name, str) else (tensor.name or b"").decode()


class _Graph:
    """The first graph of a file, its constants as arrays."""

    def __init__(self, file: Any):
        from ai_edge_litert import schema_py_generated as schema

        self.schema, self.file = schema, file
        self.graph = file.subgraphs[0]
        self.tensors = self.graph.tensors
        self.readers = Counter(int(index) for operator in self.graph.operators for index in operator.inputs)
        self.readers.update(int(index) for index in self.graph.outputs)
        self.uses: Counter[str] = Counter()

    def kind(self, operator: Any) -> int:
        return kind_of(self.file.operatorCodes[operator.opcodeIndex])

    def constant(self, index: int) -> np.ndarray | None:
        """A float constant, or a constant of int32."""
        tensor = self.tensors[index]
        data = self.file.buffers[tensor.buffer].data
        if index < 0 or data is None or len(data) == 0:
            return None
        kind = {self.schema.TensorType.FLOAT32: "<f4", self.schema.TensorType.INT32: "<i4"}.get(tensor.type)
        return None if kind is None else np.asarray(data, np.uint8).view(kind).reshape(tensor.shape)

    def add_constant(self, array: np.ndarray, name: str) -> int:
        array = np.ascontiguousarray(array, "float32")
        buffer = self.schema.BufferT()
        buffer.data = np.frombuffer(array.tobytes(), np.uint8)
        self.file.buffers.append(buffer)
        tensor = self.schema.TensorT()
        tensor.name, tensor.shape, tensor.buffer = name, list(array.shape), len(self.file.buffers) - 1
        tensor.type = self.schema.TensorType.FLOAT32
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def add_end(self, inner: int, kind: int) -> int:
        """A further tensor of the shape of an int8 one: pixels as they are in uint8, or float32."""
        tensor, old = self.schema.TensorT(), self.tensors[inner]
        tensor.shape, tensor.shapeSignature, tensor.type, tensor.buffer = old.shape, old.shapeSignature, kind, 0
        if kind == self.schema.TensorType.UINT8:
            quantization = self.schema.QuantizationParametersT()
            quantization.scale, quantization.zeroPoint = list(old.quantization.scale), [0]
            tensor.quantization = quantization
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def make_operator(self, kind: int, taken: int, made: int) -> Any:
        operator = self.schema.OperatorT()
        operator.opcodeIndex, operator.inputs, operator.outputs = self.code(kind), [taken], [made]
        return operator

    def transpose_constants(self) -> None:
        """Turn the kernels of transposed convolutions now instead of at each run."""
        for operator in list(self.graph.operators):
            if self.kind(operator) != self.schema.BuiltinOperator.TRANSPOSE:
                continue
            array, axes = (self.constant(int(index)) for index in operator.inputs)
            if array is None or axes is None:
                continue
            turned = self.add_constant(array.transpose(axes), f"{_name(self.tensors[operator.inputs[0]])}_turned")
            self._replace(int(operator.outputs[0]), turned)
            self.graph.operators.remove(operator)

    def take_shapes_of_integers(self) -> None:
        """Ask integers for their shape, where the quantizer asks floats that it makes of them for nothing else."""
        kinds = self.schema.BuiltinOperator
        makers = {int(operator.outputs[0]): operator for operator in self.graph.operators}
        for operator in list(self.graph.operators):
            maker = makers.get(int(operator.inputs[0]))
            if self.kind(operator) == kinds.SHAPE and maker is not None and self.kind(maker) == kinds.DEQUANTIZE:
                operator.inputs = maker.inputs
                if self.readers[int(maker.outputs[0])] == 1:
                    self.graph.operators.remove(maker)
        self.remove_unused()

    def normalizations(self) -> Iterator[tuple[Any, Any]]:
        """Each product with a constant of a number a channel, and the addition of such a constant that follows it."""
        readers = {int(index): operator for operator in self.graph.operators for index in operator.inputs}
        for product in self.graph.operators:
            if self.kind(product) != self.schema.BuiltinOperator.MUL or not self._by_channel(product):
                continue
            addition = readers.get(int(product.outputs[0]))
            if addition is None or self.kind(addition) != self.schema.BuiltinOperator.ADD:
                continue
            if self.readers[int(product.outputs[0])] == 1 and self._by_channel(addition):
                yield product, addition

    def _by_channel(self, operator: Any) -> bool:
        value, constant = operator.inputs
        array, shape = self.constant(int(constant)), self.tensors[value].shape
        return (
            self.constant(int(value)) is None
            and array is not None
            and len(shape) == 4
            and array.ndim > 0
            and array.size == array.shape[-1] == shape[-1]
        )

    def fold(self, product: Any, addition: Any) -> None:
        """Put a normalization into the convolution before it, or a depthwise one into its place."""
        value = int(product.inputs[0])
        factor, shift = (self.constant(int(op.inputs[1])).reshape(-1) for op in (product, addition))  # type: ignore[union-attr]
        convolution = self._convolution_before(value)
        if convolution is None or not (factor > 0).all():
            self._make_depthwise(product, addition, factor, shift)
            return
        kernel, bias = int(convolution.inputs[1]), self.constant(int(convolution.inputs[2]))
        weights, name = self.constant(kernel), _name(self.tensors[kernel]) or f"kernel_{kernel}"
        assert weights is not None
        assert bias is not None
        self.uses[name] += 1
        convolution.inputs = [
            int(convolution.inputs[0]),
            self.add_constant(weights * factor[:, None, None, None], f"{name}{USE}{self.uses[name]}"),
            self.add_constant(bias * factor + shift, f"{name}_shift_{self.uses[name]}"),
        ]
        convolution.outputs = addition.outputs
        convolution.builtinOptions.fusedActivationFunction = addition.builtinOptions.fusedActivationFunction
        self.graph.operators.remove(product)
        self.graph.operators.remove(addition)

    def _convolution_before(self, value: int) -> Any:
        for operator in self.graph.operators:
            if int(operator.outputs[0]) == value and self.kind(operator) == self.schema.BuiltinOperator.CONV_2D:
                activation = operator.builtinOptions.fusedActivationFunction
                constants = [self.constant(int(index)) is not None for index in operator.inputs[1:]]
                if self.readers[value] == 1 and activation == 0 and constants == [True, True]:
                    return operator
        return None

    def _make_depthwise(self, product: Any, addition: Any, factor: np.ndarray, shift: np.ndarray) -> None:
        schema = self.schema
        options = schema.DepthwiseConv2DOptionsT()
        options.padding, options.strideH, options.strideW, options.depthMultiplier = schema.Padding.VALID, 1, 1, 1
        options.dilationHFactor = options.dilationWFactor = 1
        options.fusedActivationFunction = addition.builtinOptions.fusedActivationFunction
        number = len(self.tensors)
        addition.opcodeIndex = self.code(schema.BuiltinOperator.DEPTHWISE_CONV_2D)
        addition.builtinOptionsType = schema.BuiltinOptions.DepthwiseConv2DOptions
        addition.builtinOptions = options
        addition.inputs = [
            int(product.inputs[0]),
            self.add_constant(factor[None, None, None], f"factor_{number}"),
            self.add_constant(shift, f"factor_{number}_shift"),
        ]
        self.graph.operators.remove(product)

    def code(self, kind: int) -> int:
        """The number of a kind of operator, which is added to the file's if it is new."""
        for number, code in enumerate(self.file.operatorCodes):
            if kind_of(code) == kind:
                return number
        code = self.schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = kind
        code.version = 1
        self.file.operatorCodes.append(code)
        return len(self.file.operatorCodes) - 1

    def _replace(self, old: int, new: int) -> None:
        for operator in self.graph.operators:
            operator.inputs = [new if int(index) == old else int(index) for index in operator.inputs]
        self.readers[new] = self.readers.pop(old, 0)

    def remove_unused(self) -> None:
        """Drop the constants that no operator reads any more."""
        ends = [*self.graph.inputs, *self.graph.outputs]
        read = {int(index) for op in self.graph.operators for index in [*op.inputs, *op.outputs]} | set(map(int, ends))
        places = {old: new for new, old in enumerate(sorted(read - {-1}))} | {-1: -1}
        self.graph.tensors = self.tensors = [self.tensors[index] for index in sorted(read - {-1})]
        for operator in self.graph.operators:
            operator.inputs = [places[int(index)] for index in operator.inputs]
            operator.outputs = [places[int(index)] for index in operator.outputs]
        self.graph.inputs = [places[int(index)] for index in self.graph.inputs]
        self.graph.outputs = [places[int(index)] for index in self.graph.outputs]
        _drop_unused_buffers(self.file)
