"""Models that are built before their weights take memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import keras
from keras.src.backend.common import global_state

# Where Keras keeps the variables that still wait for their values; it has no public way to let go of them.
PENDING = "uninitialized_variables"


@contextmanager
def deferred_weights() -> Iterator[None]:
    """Give the weights of models that the body builds names and shapes, and values only once the body succeeds.

    If it fails, they never take memory: what a file asks for can be compared with what the file has, whatever it asks
    for.

    Example:
        >>> with deferred_weights():
        ...     model = SWRN(28, width=100_000)
        ...     raise ValueError("too large")
    """
    scope = keras.StatelessScope()
    # What else waits for its values, if this is within another scope.
    earlier = list(global_state.get_global_attribute(PENDING) or [])
    with scope:
        try:
            yield
        except BaseException:
            scope.initialize_variables = False
            global_state.set_global_attribute(PENDING, earlier)
            raise
