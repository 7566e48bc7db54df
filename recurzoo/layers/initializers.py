"""Initialisation as the papers mean it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops


def he_normal() -> keras.initializers.Initializer:
    """He et al.'s normal initialisation by fan-in, not truncated as Keras' `"he_normal"` is."""
    return keras.initializers.VarianceScaling(2.0, "fan_in", "untruncated_normal")


@keras.saving.register_keras_serializable("recurzoo")
class RowConstant(keras.initializers.Initializer):
    """Gives each row of a table a constant of its own: what differs from step to step at the start.

    Args:
        values: sequence of floats, one a row.

    Raises:
        ValueError: if the table has another number of rows.
    """

    def __init__(self, values: Sequence[float]):
        self.values = tuple(values)

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        if shape[0] != len(self.values):
            raise ValueError(f"This initialises {len(self.values)} rows. Received: shape={tuple(shape)}")
        column = ops.reshape(ops.convert_to_tensor(self.values, dtype), (-1, *[1] * (len(shape) - 1)))
        return ops.broadcast_to(column, tuple(shape))

    def get_config(self) -> dict[str, Any]:
        return {"values": list(self.values)}
