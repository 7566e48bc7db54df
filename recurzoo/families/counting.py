"""How many parameters a model learns."""

from __future__ import annotations

import math

import keras

from recurzoo.layers.tree import all_layers, own_variables
from recurzoo.sharing import RelaxedBank


def count_parameters(model: keras.Model, consolidated: bool = False) -> int:
    """The number of trainable parameters; those of a frozen layer count as well, moving statistics never do.

    Args:
        model: a built model.
        consolidated: bool, whether a relaxed bank counts as the one kernel that consolidating leaves of it.

    Returns:
        int.
    """
    # Of the layers, not of the model: a frozen model's weights are its parameters no less.
    own = {id(v): math.prod(v.shape) for layer in all_layers(model) for v in own_variables(layer)}
    banks = [layer for layer in all_layers(model) if consolidated and isinstance(layer, RelaxedBank)]
    return sum(own.values()) - sum((bank.slots - 1) * math.prod(bank.kernel_shape) for bank in banks)
