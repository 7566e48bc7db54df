"""Initialisation as the papers mean it."""

from __future__ import annotations

import keras


def he_normal() -> keras.initializers.Initializer:
    """He et al.'s normal initialisation by fan-in, not truncated as Keras' `"he_normal"` is."""
    return keras.initializers.VarianceScaling(2.0, "fan_in", "untruncated_normal")
