"""Tables whose rows start differently."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops


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
            raise ValueError(f"This initializes {len(self.values)} rows. Received: shape={tuple(shape)}")
        column = ops.reshape(ops.convert_to_tensor(self.values, dtype), (-1, *[1] * (len(shape) - 1)))
        # Not broadcast: on PyTorch that gives a view, whose numbers share memory and which nothing can be assigned to.
        return column * ops.ones(tuple(shape), dtype)

    def get_config(self) -> dict[str, Any]:
        return {"values": list(self.values)}
