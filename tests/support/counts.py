"""Networks without values: how many parameters one of a name has, and what it is like."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras.src.backend.common import global_state

import recurzoo
from recurzoo.families.counting import count_parameters
from recurzoo.families.deferring import PENDING


@contextmanager
def without_values() -> Iterator[None]:
    """Give variables shapes alone, for good: Keras would give those that wait their values with the next network's."""
    earlier = list(global_state.get_global_attribute(PENDING) or [])
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        global_state.set_global_attribute(PENDING, earlier)


def count_of(name: str, **arguments: Any) -> int:
    # The largest networks have millions of parameters.
    with without_values():
        return count_parameters(recurzoo.create(name, **arguments))
