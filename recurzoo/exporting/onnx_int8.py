"""An ONNX graph made to compute in int8, see `int8`."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from recurzoo.exporting.inference import INPUT
from recurzoo.exporting.int8 import BATCH, USE, are_one_kernel


def prepare(proto: Any) -> None:
    """Put the normalizations of a float graph, in place, into copies of kernels, or make them grouped convolutions."""
    graph = _Graph(proto.graph)
    graph.transpose_constants()
    for product, addition in list(graph.normalizations()):
        graph.fold(product, addition)
    graph.remove_unused()


def quantize(proto: Any, images: np.ndarray) -> Any:
    """Quantize weights per channel and activations per tensor, with the ranges that these images give.

    Args:
        proto: a float model.
        images: float32 array `(images, height, width, channels)`.

    Returns:
        A model with nodes QuantizeLinear and DequantizeLinear, whose input and output are float32.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.batches = iter([{INPUT: images[i : i + BATCH]} for i in range(0, len(images), BATCH)])

        def get_next(self) -> Any:
            return next(self.batches, None)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        # Of int8 activations ONNX Runtime turns some into uint8, and then computes what lies between in float32.
        kinds = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
        quantize_static(proto, str(path), Reader(), QuantFormat.QDQ, per_channel=True, **kinds)
        return onnx.load(path)


def take_pixels(proto: Any) -> None:
    """Let the input be uint8, in place."""
    from onnx import TensorProto, helper

    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    for node in proto.graph.node:
        node.input[:] = [f"{INPUT}_float" if name == INPUT else name for name in node.input]
    proto.graph.node.insert(0, helper.make_node("Cast", [INPUT], [f"{INPUT}_float"], to=TensorProto.FLOAT))


def share(proto: Any) -> None:
    """Let the int8 copies of one kernel, in place, be one initializer, and each have its own scales."""
    from onnx import numpy_helper

    kernels = {tensor.name.split(USE)[0] for tensor in proto.graph.initializer if USE in tensor.name}
    first: dict[str, Any] = {}
    same: dict[str, str] = {}
    for tensor in proto.graph.initializer:
        kernel = tensor.name.split(USE)[0].removesuffix("_quantized")
        if kernel not in kernels or "_quantized" not in tensor.name:
            continue
        kept = first.setdefault(kernel, tensor)
        if are_one_kernel(numpy_helper.to_array(tensor), numpy_helper.to_array(kept)):
            same[tensor.name] = kept.name
    for node in proto.graph.node:
        node.input[:] = [same.get(name, name) for name in node.input]
    _Graph(proto.graph).remove_unused()


class _Graph:
    """A graph, its initializers as arrays."""

    def __init__(self, graph: Any):
        self.graph = graph
        self.initializers = {tensor.name: tensor for tensor in graph.initializer}
        self.readers: dict[str, list[Any]] = defaultdict(list)
        self.makers = {name: node for node in graph.node for name in node.output}
        for node in graph.node:
            for name in node.input:
                self.readers[name].append(node)
        self.uses: Counter[str] = Counter()

    def constant(self, name: str) -> np.ndarray | None:
        from onnx import numpy_helper

        return numpy_helper.to_array(self.initializers[name]) if name in self.initializers else None

    def add_constant(self, array: np.ndarray, name: str) -> str:
        from onnx import numpy_helper

        self.initializers[name] = numpy_helper.from_array(np.ascontiguousarray(array, "float32"), name)
        self.graph.initializer.append(self.initializers[name])
        return name

    def transpose_constants(self) -> None:
        """Turn the kernels of transposed convolutions now instead of at each run."""
        for node in list(self.graph.node):
            array = self.constant(node.input[0]) if node.op_type == "Transpose" else None
            if array is not None:
                axes = next(attribute.ints for attribute in node.attribute if attribute.name == "perm")
                turned = self.add_constant(array.transpose(axes), f"{node.input[0]}_turned")
                for reader in self.readers[node.output[0]]:
                    reader.input[:] = [turned if name == node.output[0] else name for name in reader.input]
                self.graph.node.remove(node)

    def normalizations(self) -> Iterator[tuple[Any, Any]]:
        """Each product with a constant of a number a channel, and the addition of such a constant that follows it."""
        for product in self.graph.node:
            if product.op_type == "Mul" and self._by_channel(product):
                readers = self.readers[product.output[0]]
                if len(readers) == 1 and readers[0].op_type == "Add" and self._by_channel(readers[0]):
                    yield product, readers[0]

    def _by_channel(self, node: Any) -> bool:
        array = self.constant(node.input[1])
        return array is not None and array.ndim == 4 and array.size == array.shape[1]

    def fold(self, product: Any, addition: Any) -> None:
        """Put a normalization into the convolution before it, or a grouped one into its place."""
        from onnx import helper

        factor, shift = (self.constant(node.input[1]).reshape(-1) for node in (product, addition))  # type: ignore[union-attr]
        convolution = self.makers.get(product.input[0])
        number = len(self.initializers)
        if convolution is None or not self._is_foldable(convolution) or not (factor > 0).all():
            weights = self.add_constant(factor[:, None, None, None], f"factor_{number}")
            inputs = [product.input[0], weights, self.add_constant(shift, f"factor_{number}_shift")]
            node = helper.make_node("Conv", inputs, list(addition.output), group=len(factor), kernel_shape=[1, 1])
        else:
            kernel = convolution.input[1]
            self.uses[kernel] += 1
            bias = self.constant(convolution.input[2]) if len(convolution.input) == 3 else 0
            weights = self.add_constant(
                self.constant(kernel) * factor[:, None, None, None],  # type: ignore[operator]
                f"{kernel}{USE}{self.uses[kernel]}",
            )
            inputs = [convolution.input[0], weights, self.add_constant(bias * factor + shift, f"shift_{number}")]
            node = helper.make_node("Conv", inputs, list(addition.output))
            node.attribute.extend(convolution.attribute)
            self.graph.node.remove(convolution)
        # Nodes stand in the order in which they run.
        place = list(self.graph.node).index(addition)
        self.graph.node.remove(product)
        self.graph.node.insert(place - 1, node)
        self.graph.node.remove(addition)

    def _is_foldable(self, node: Any) -> bool:
        return node.op_type == "Conv" and len(self.readers[node.output[0]]) == 1 and node.input[1] in self.initializers

    def remove_unused(self) -> None:
        """Drop the constants that no node reads any more."""
        read = {name for node in self.graph.node for name in node.input}
        kept = [tensor for tensor in self.graph.initializer if tensor.name in read]
        del self.graph.initializer[:]
        self.graph.initializer.extend(kept)
