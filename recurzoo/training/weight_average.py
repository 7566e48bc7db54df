"""An exponential average of a model's weights that works on every backend."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class WeightAverage(keras.layers.Layer):
    """Follows a model's variables, normalization statistics included: `average = d * average + (1 - d) * weight`.

    It is updated inside the training step, and compiled with it; Keras' own `use_ema` breaks a second `fit` on JAX.
    While `decay` is 0 it just equals the weights.

    Args:
        model: a built Keras model.
        parts: int, how many parts a step is computed in.
    """

    def __init__(self, model: keras.Model, parts: int = 1, **kwargs: Any):
        super().__init__(**kwargs)
        # A list in a tuple: what is followed is not owned.
        self._followed = (floating_variables(model),)
        # Replicas have equal weights, and so equal averages: those of the first are all's.
        kept = {"trainable": False, "autocast": False, "aggregation": "only_first_replica"}
        self.decay = self.add_weight(name="decay", shape=(), initializer="zeros", **kept)
        self.parts = parts
        # Of this step, how many parts are done; the weights change after the last.
        self.part = None if parts == 1 else self.add_weight(name="part", dtype="int32", initializer="zeros", **kept)
        self.averages = [
            self.add_weight(name=f"average_{number}", shape=weight.shape, dtype=weight.dtype, **kept)
            for number, weight in enumerate(self._followed[0])
        ]
        self.built = True

    def update(self) -> None:
        """Move the average one step on, where a step begins."""
        begins = self.part is None or ops.equal(ops.convert_to_tensor(self.part), 0)
        if self.part is not None:
            self.part.assign((ops.convert_to_tensor(self.part) + 1) % self.parts)
        for average, weight in zip(self.averages, self._followed[0], strict=True):
            weight = ops.stop_gradient(ops.convert_to_tensor(weight.value))
            moved = weight + ops.cast(self.decay, average.dtype) * (average - weight)
            average.assign(moved if begins is True else ops.where(begins, moved, ops.convert_to_tensor(average)))

    def copy_to(self, model: keras.Model) -> None:
        """Give another model of the same architecture the averaged weights, those of the last step included."""
        weights = zip(self.averages, self._followed[0], floating_variables(model), strict=True)
        for average, followed, weight in weights:
            # As arrays, which fit the other model's devices, whatever they are.
            averaged, last = ops.convert_to_numpy(average), ops.convert_to_numpy(followed)
            # `update` runs before each step, and did not see the last one.
            weight.assign(last + ops.convert_to_numpy(self.decay).astype(averaged.dtype) * (averaged - last))


def floating_variables(model: keras.Model) -> list[Any]:
    """A model's variables but for the states of its random generators."""
    return [variable for variable in model.variables if "float" in keras.backend.standardize_dtype(variable.dtype)]
