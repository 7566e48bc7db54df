"""A model's inference as a TensorFlow function that keeps every kernel single."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import keras
import numpy as np

from recurzoo.layers import Stage, StateGraph
from recurzoo.layers.tree import all_layers
from recurzoo.sharing import HardBank, KernelBank, SoftBank

INPUT, OUTPUT = "images", "logits"
# From consecutive slots to the kernel of each and the factor for its output (or None).
Serve = Callable[[Sequence[int]], list[tuple[Any, Any]]]


class SharedKernels:
    """The kernels that several convolutions use, as arguments of the traced function instead of constants of its graph.

    Exporters fold a normalization or a scale that follows a convolution into its kernel, once a convolution, and so
    write a shared kernel many times. They cannot fold into what is not constant yet: the arguments become constants
    of the file only after its conversion.

    Args:
        model: a Keras model; its banks with fewer templates than slots, or with scales, take part.
        layout: the order in which the format stores the axes `(height, width, in, out)` of a kernel.
    """

    def __init__(self, model: keras.Model, layout: Sequence[int]):
        self._layout = tuple(layout)
        self._names: dict[KernelBank, list[str]] = {}
        self.arrays: dict[str, np.ndarray] = {}
        for bank in _layers(model, KernelBank):
            templates = keras.ops.convert_to_numpy(bank.templates)
            # Where nothing is shared, folding costs no bytes; but TensorFlow's optimizer, which ONNX conversion goes
            # through, aborts the process where a scalar scale follows a constant kernel.
            if len(templates) == bank.slots and getattr(bank, "scale", None) is None:
                continue
            templates = np.ascontiguousarray(templates.transpose(0, *(axis + 1 for axis in self._axes(bank))))
            number = len(self._names)
            if isinstance(bank, HardBank):
                arrays = {f"bank_{number}_kernel_{i}": kernel for i, kernel in enumerate(templates)}
            elif isinstance(bank, SoftBank):
                arrays = {f"bank_{number}_templates": templates}
            else:
                continue
            self._names[bank] = list(arrays)
            self.arrays.update(arrays)

    @contextmanager
    def served(self, arguments: dict[str, Any]) -> Iterator[None]:
        """While active, the banks serve the given tensors."""
        with ExitStack() as stack:
            for bank, names in self._names.items():
                serve = self._serve_hard if isinstance(bank, HardBank) else self._serve_soft
                slots = serve(bank, [arguments[name] for name in names])
                # Not as plain attributes: Keras would track them.
                object.__setattr__(bank, "serve", lambda slots=slots, bank=bank: slots(range(bank.slots)))
                object.__setattr__(bank, "serve_slot", lambda slot, slots=slots: slots([slot])[0])
                stack.callback(object.__delattr__, bank, "serve")
                stack.callback(object.__delattr__, bank, "serve_slot")
            yield

    def _axes(self, bank: KernelBank) -> tuple[int, ...]:
        """The order in which the format stores the axes of a bank's kernels: that of convolutions, or Keras' own."""
        rank = len(bank.kernel_shape)
        return self._layout if rank == len(self._layout) else tuple(range(rank))

    def _turned(self, bank: KernelBank, kernel: Any) -> Any:
        return keras.ops.transpose(kernel, tuple(int(axis) for axis in np.argsort(self._axes(bank))))

    def _serve_hard(self, bank: HardBank, kernels: list[Any]) -> Serve:
        def serve(slots: Sequence[int]) -> list[tuple[Any, Any]]:
            turned = {kernel: self._turned(bank, kernels[kernel]) for kernel in {bank.sharing.index[s] for s in slots}}
            scales = None if bank.scale is None else keras.ops.convert_to_tensor(bank.scale)
            return [(turned[bank.sharing.index[slot]], None if scales is None else scales[slot]) for slot in slots]

        return serve

    def _serve_soft(self, bank: SoftBank, templates: list[Any]) -> Serve:
        def serve(slots: Sequence[int]) -> list[tuple[Any, Any]]:
            coefficients = keras.ops.convert_to_tensor(bank.coefficients)[slots[0] : slots[-1] + 1]
            # Mixed in the file's own layout: a transposition of every kernel at every run would cost more than the mix.
            mixed = keras.ops.tensordot(coefficients, templates[0], 1)
            return [(self._turned(bank, kernel), None) for kernel in keras.ops.unstack(mixed, num=len(slots))]

        return serve


def inference_function(model: keras.Model, shared: SharedKernels | None = None, batch: int | None = None) -> Any:
    """Trace `model(images, training=False)` for float32 images.

    Args:
        model: a Keras model of one input.
        shared: the kernels to take as further arguments; None for none.
        batch: int, the batch size; None for any.

    Returns:
        A `tf.function` of one signature, from `images` (and the shared kernels) to the outputs by name.
    """
    import tensorflow as tf

    arrays = {} if shared is None else shared.arrays
    images = tf.TensorSpec((batch, *model.inputs[0].shape[1:]), tf.float32, INPUT)
    kernels = [tf.TensorSpec(array.shape, tf.float32, name) for name, array in arrays.items()]

    def infer(images: Any, *kernels: Any) -> dict[str, Any]:
        with ExitStack() as stack:
            if shared is not None:
                stack.enter_context(shared.served(dict(zip(arrays, kernels, strict=True))))
            stack.enter_context(_unrolled(model))
            stack.enter_context(_inlined())
            return by_name(model(images, training=False))

    return tf.function(infer, input_signature=[images, *kernels])


def by_name(outputs: Any) -> dict[str, Any]:
    """What a model or a file gives, by the names that the outputs have in the file: a single one is `logits`."""
    return dict(outputs) if isinstance(outputs, dict) else {OUTPUT: outputs}


def output_names(model: keras.Model) -> list[str]:
    """The names that a model's outputs have in its file."""
    # Without an attribute of that name, as sequential models are, there is one.
    return list(by_name(getattr(model, "output", None)))


def variables_read(model: keras.Model, function: Any) -> list[keras.Variable]:
    """The variables of a model that its inference reads, each once."""
    captured = {id(external) for external, _ in function.get_concrete_function().graph.captures}
    found = {id(variable): variable for variable in model.variables if id(variable.value.handle) in captured}
    return list(found.values())


@contextmanager
def _unrolled(model: keras.Model) -> Iterator[None]:
    # Loops would keep kernels single too, but runtimes are slow at them.
    stages = list(_layers(model, (Stage, StateGraph)))
    before = [stage.unroll for stage in stages]
    try:
        for stage in stages:
            stage.unroll = True
        yield
    finally:
        for stage, was in zip(stages, before, strict=True):
            stage.unroll = was


@contextmanager
def _inlined() -> Iterator[None]:
    """Trace functions inside a function as part of it.

    On a CPU Keras compiles grouped convolutions by XLA, in a function of their own that no converter takes apart.
    """
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def _layers(model: keras.Model, kind: type | tuple[type, ...]) -> Iterator[Any]:
    return (layer for layer in all_layers(model) if isinstance(layer, kind))
