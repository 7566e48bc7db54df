"""The tree of layers that a layer or a model is, by two names of Keras' that have no public ones.

`Model.layers` ends where a layer makes others by itself, as stages do; and `trainable_variables` lacks what is frozen, and
has what inner layers learn.
"""

from __future__ import annotations

from typing import Any

import keras


def all_layers(layer: Any) -> list[keras.Layer]:
    """A layer or model itself, and the layers inside it at any depth, each once."""
    return list(layer._flatten_layers())


def parts_of(layer: Any) -> list[keras.Layer]:
    """The layers that a layer or model has itself."""
    return list(layer._flatten_layers(include_self=False, recursive=False))


def own_variables(layer: Any) -> list[keras.Variable]:
    """The variables that a layer made to be learned, frozen or not, without those of the layers inside it."""
    return list(layer._trainable_variables)
