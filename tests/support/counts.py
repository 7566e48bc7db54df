"""How many parameters a network of a name has."""

from __future__ import annotations

from typing import Any

import keras

import recurzoo
from recurzoo.families.counting import count_parameters


def count_of(name: str, **arguments: Any) -> int:
    # Shapes without values, which the largest networks have millions of.
    with keras.StatelessScope(initialize_variables=False):
        return count_parameters(recurzoo.create(name, **arguments))
