"""Layers called at several nodes of a network, each with the number of its slot: their kernels come from one bank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import keras
from keras import ops

from recurzoo.base.values import Value, value
from recurzoo.sharing import KernelBank, Sharing


@value
class Placement(Value):
    """How the convolution of one slot goes over its images; see `keras.layers.Conv2D`."""

    strides: tuple[int, int] = (1, 1)
    padding: Literal["valid", "same"] = "valid"
    dilation_rate: tuple[int, int] = (1, 1)
    data_format: Literal["channels_last", "channels_first"] = "channels_last"


class SharedLayer(keras.layers.Layer):
    """Owns a bank, and gives each node of the graph that it is called at the kernel of a slot.

    A bank passed into several layers would not survive saving. A layer does, however many nodes it has, and wherever in
    the graph these are.

    Args:
        sharing: a `Sharing`, how the slots share their kernels.
        slots: a `Placement` for each slot, or the number of slots.
        kernel_shape: as in the Keras layer of the same name.
        kernel_regularizer: applied to the kernel of each slot.

    Raises:
        ValueError: if the sharing cannot serve so many slots; when called, if there is no such slot.

    Example:
        Three convolutions that mix two templates, the last with a stride, and other layers between them:

        >>> slots = [Placement(padding="same")] * 2 + [Placement(padding="same", strides=(2, 2))]
        >>> convolution = SharedConv2D(SoftSharing(2), slots, kernel_shape=(3, 3, 16, 16))
        >>> x = keras.layers.ReLU()(convolution(x, slot=0))
        >>> x = convolution(convolution(x, slot=1), slot=2)
    """

    def __init__(
        self,
        sharing: Sharing,
        slots: int | Sequence[Placement],
        kernel_shape: Sequence[int],
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.sharing = sharing
        self.placements = (Placement(),) * slots if isinstance(slots, int) else tuple(slots)
        self.kernel_shape = tuple(kernel_shape)
        # A config may be a stranger's.
        if not (
            isinstance(sharing, Sharing)
            and self.placements
            and all(isinstance(placement, Placement) for placement in self.placements)
            and all(isinstance(size, int) and size > 0 for size in self.kernel_shape)
        ):
            raise ValueError(
                f"A {type(self).__name__} has a sharing, at least one slot, and a shape of kernels. Received: "
                f"sharing={sharing}, slots={slots}, kernel_shape={kernel_shape}"
            )
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def build(self, input_shape: Any) -> None:
        self.bank = self.sharing.bank(len(self.placements), self.kernel_shape, name="bank", dtype=self.dtype_policy)
        self.bank.build()
        # A layer that was frozen before it had weights; a bank made later does not follow by itself.
        self.bank.trainable = self.trainable
        if self.kernel_regularizer is not None:
            self._regularize()
        self.built = True

    def _regularize(self) -> None:
        # As the penalty of a weight, not of a call: a slot that several nodes use counts once.
        templates = self.bank.templates
        pull = templates.regularizer

        def penalty(value: Any) -> Any:
            total = sum(
                self.kernel_regularizer(kernel) for kernel in ops.unstack(self.bank.kernels(), num=self.bank.slots)
            )
            return total if pull is None else total + pull(value)

        templates.regularizer = penalty

    @property
    def banks(self) -> list[KernelBank]:
        """The bank, as a stage has its banks."""
        return [self.bank]

    def loops(self) -> list[Any]:
        """None: what is between the nodes is not this layer's."""
        return []

    def serve(self, slot: int) -> tuple[Any, Any]:
        """A slot's kernel, and the factor for the output (or None)."""
        if not isinstance(slot, int) or not 0 <= slot < self.bank.slots:
            raise ValueError(f"{self.name!r} has the slots 0 to {self.bank.slots - 1}. Received: slot={slot!r}")
        return self.bank.serve_slot(slot)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "sharing": keras.saving.serialize_keras_object(self.sharing),
            "slots": [keras.saving.serialize_keras_object(placement) for placement in self.placements],
            "kernel_shape": self.kernel_shape,
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SharedLayer:
        values = {key: keras.saving.deserialize_keras_object(config[key]) for key in ("sharing", "slots")}
        return cls(**{**config, **values})


def _scaled(y: Any, factor: Any) -> Any:
    return y if factor is None else y * ops.cast(factor, y.dtype)


@keras.saving.register_keras_serializable("recurzoo")
class SharedConv2D(SharedLayer):
    """`keras.layers.Conv2D` without a bias, called at several nodes, with kernels from one bank. See `SharedLayer`.

    `kernel_shape` is `(height, width, input channels of a group, output channels)`.
    """

    def call(self, x: Any, slot: int = 0) -> Any:
        kernel, factor = self.serve(slot)
        at = self.placements[slot]
        convolve = ops.conv
        channels = x.shape[1 if at.data_format == "channels_first" else -1]
        if self.kernel_shape[2] == 1 < channels and at.strides[0] == at.strides[1]:
            # A group a channel: TensorFlow trains other groups on a CPU by XLA alone, and not all formats have them.
            convolve, kernel = ops.depthwise_conv, ops.reshape(kernel, (*self.kernel_shape[:2], channels, -1))
        return _scaled(convolve(x, kernel, at.strides, at.padding, at.data_format, at.dilation_rate), factor)


@keras.saving.register_keras_serializable("recurzoo")
class SharedDepthwiseConv2D(SharedLayer):
    """`keras.layers.DepthwiseConv2D` without a bias, called at several nodes, with kernels from one bank. See
    `SharedLayer`.

    `kernel_shape` is `(height, width, channels, depth multiplier)`.
    """

    def call(self, x: Any, slot: int = 0) -> Any:
        kernel, factor = self.serve(slot)
        at = self.placements[slot]
        y = ops.depthwise_conv(x, kernel, at.strides, at.padding, at.data_format, at.dilation_rate)
        return _scaled(y, factor)


@keras.saving.register_keras_serializable("recurzoo")
class SharedDense(SharedLayer):
    """`keras.layers.Dense` without a bias, called at several nodes, with kernels from one bank. See `SharedLayer`.

    `kernel_shape` is `(input features, output features)`.
    """

    def call(self, x: Any, slot: int = 0) -> Any:
        kernel, factor = self.serve(slot)
        return _scaled(ops.matmul(x, kernel), factor)
