"""Layers that act on each channel by itself: what stands beside the kernels of a network that shares them."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("recurzoo")
class BiasActivation(keras.layers.Layer):
    """Adds a bias to each channel and applies an activation: what follows the kernel in a layer of Keras.

    Args:
        axis: int, of the channels.
        activation: as in Keras.
        bias_initializer, bias_regularizer, bias_constraint: as in Keras.
    """

    def __init__(
        self,
        activation: Any = None,
        axis: int = -1,
        bias_initializer: Any = "zeros",
        bias_regularizer: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.activation = keras.activations.get(activation)
        self.axis = axis
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.bias_constraint = keras.constraints.get(bias_constraint)

    def build(self, input_shape: Any) -> None:
        self.bias = self.add_weight(
            name="bias",
            shape=(input_shape[self.axis],),
            initializer=self.bias_initializer,
            regularizer=self.bias_regularizer,
            constraint=self.bias_constraint,
        )
        self.built = True

    def call(self, x: Any) -> Any:
        shape = [1] * len(x.shape)
        shape[self.axis] = -1
        return self.activation(x + ops.reshape(self.bias, shape))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "activation": keras.activations.serialize(self.activation),
            "axis": self.axis,
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
            "bias_constraint": keras.constraints.serialize(self.bias_constraint),
        }


@keras.saving.register_keras_serializable("recurzoo")
class ChannelScale(keras.layers.Layer):
    """Multiplies each channel by a weight, `gamma`.

    It does what `LayerScale` of `keras.applications` does, whose weight has another name in each process.
    """

    def build(self, input_shape: Any) -> None:
        self.gamma = self.add_weight(name="gamma", shape=(input_shape[-1],), initializer="ones")
        self.built = True

    def call(self, x: Any) -> Any:
        return x * self.gamma

    def get_config(self) -> dict[str, Any]:
        # Keras' own way to one does not know dtype policies.
        return super().get_config()
