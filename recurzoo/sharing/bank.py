"""A sharing says where a stage's kernels come from; the bank it builds holds them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, get_args

import keras
import numpy as np
from keras import ops

from recurzoo.base.values import Value

Initializer = Literal["he_normal", "pytorch"]


def kernel_initializer(word: Initializer = "he_normal", count: int = 1) -> keras.initializers.Initializer:
    """How kernels start, by their fan-in.

    Args:
        word: `"he_normal"`, a normal distribution of variance 2 / fan-in (He et al., 2015), not truncated as Keras'
            own is; or `"pytorch"`, PyTorch's default, a uniform one of variance 1 / (3 fan-in), a sixth.
        count: int, how many kernels one weight holds, along an axis before theirs.

    Returns:
        A Keras initializer.

    Raises:
        ValueError: if the word is another one.
    """
    if word not in get_args(Initializer):
        raise ValueError(f"Kernels start as one of {get_args(Initializer)}. Received: {word!r}")
    scale, distribution = (2.0, "untruncated_normal") if word == "he_normal" else (1 / 3, "uniform")
    # Keras counts an axis before the kernels' own into the fan-in.
    return keras.initializers.VarianceScaling(count * scale, "fan_in", distribution)


def as_loss(penalty: Any) -> Any:
    """A penalty in the precision of the losses to which Keras adds it, whatever that of the weights."""
    return ops.cast(penalty, keras.config.floatx())


class Fold(NamedTuple):
    """The hard sharing a bank is close to, and the weights that go with it."""

    sharing: Any
    templates: np.ndarray
    scale: np.ndarray | None


class Sharing(Value):
    """A frozen value that says how `slots` convolutions share their kernels, and builds the bank that serves them."""

    def bank(self, slots: int, kernel_shape: tuple[int, ...], **kwargs: Any) -> KernelBank:
        """Build the bank.

        Args:
            slots: int, convolutions to serve.
            kernel_shape: `(height, width, input channels, output channels)`.

        Returns:
            A `KernelBank`.

        Raises:
            ValueError: if this sharing cannot serve so many slots.
        """
        raise NotImplementedError


class KernelBank(keras.Layer):
    """Serves slots: gives each of several convolutions of one shape its kernel.

    A bank is owned by exactly one layer: a bank passed between layers would not survive saving.

    Args:
        sharing: the `Sharing` that built this bank.
        slots: int, convolutions served.
        kernel_shape: `(height, width, input channels, output channels)`.
        initializer: how each template starts, a word of `kernel_initializer`.
    """

    def __init__(
        self,
        sharing: Sharing,
        slots: int,
        kernel_shape: tuple[int, ...],
        initializer: Initializer = "he_normal",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.sharing = sharing
        self.slots = slots
        self.kernel_shape = tuple(kernel_shape)
        self.initializer: Initializer = initializer

    def add_templates(self, count: int, **kwargs: Any) -> keras.Variable:
        """Add the one weight `(count, height, width, in, out)` that kernels are made of."""
        initializer = kernel_initializer(self.initializer, count)
        return self.add_weight(name="templates", shape=(count, *self.kernel_shape), initializer=initializer, **kwargs)

    def kernels(self) -> Any:
        """The kernels of all slots as one tensor `(slots, height, width, in, out)`, in the weights' own precision."""
        raise NotImplementedError

    def serve(self) -> list[tuple[Any, Any]]:
        """For each slot its kernel and the factor for the convolution's output (or None).

        Slots that share a kernel are given the same tensor, so that it stays one in an exported graph.
        """
        kernels = ops.cast(self.kernels(), self.compute_dtype)
        return [(kernel, None) for kernel in ops.unstack(kernels, num=self.slots)]

    def serve_slot(self, slot: int) -> tuple[Any, Any]:
        """What `serve` gives for one slot, and no more work than that: for a graph whose nodes ask one by one."""
        raise NotImplementedError

    def loop_key(self, slot: int) -> int | None:
        """Steps whose slots have equal keys may run as one loop: the number of a constant kernel, or None.

        None means that the kernel is read from a table at each turn, so that it may differ.
        """
        return None

    def table(self, slots: list[int]) -> Callable[[Any], tuple[Any, Any]]:
        """What `serve` gives, for the turns of a loop.

        Args:
            slots: the slot at each turn, all of one `loop_key`.

        Returns:
            A function from the turn's number, an int tensor, to kernel and factor.
        """
        kernels = ops.take(ops.cast(self.kernels(), self.compute_dtype), np.array(slots), axis=0)
        return lambda turn: (ops.take(kernels, turn, axis=0), None)

    def similarity(self) -> np.ndarray:
        """The layer similarity matrix `(slots, slots)`."""
        raise NotImplementedError

    def penalty(self) -> Any:
        """What this sharing adds to the training loss: a scalar, or None."""
        return None

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "sharing": keras.saving.serialize_keras_object(self.sharing),
            "slots": self.slots,
            "kernel_shape": list(self.kernel_shape),
            "initializer": self.initializer,
        }

    def fold(self, threshold: float) -> Fold:
        """Tie the slots that are at least `threshold` similar.

        Args:
            threshold: float in 0..1.

        Returns:
            A `Fold` to a `HardSharing`, scaled unless every scale is one.
        """
        raise NotImplementedError
