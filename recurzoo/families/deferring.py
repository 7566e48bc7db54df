"""Models that are built before their weights take memory, and never larger than any of the zoo.

Keras' public `StatelessScope` gives variables their values when it ends, whether or not its body failed, and always by
their initializers. To drop them, to count them as they are made and to give them other first values, this file and no
other uses two private names of Keras: the list of the variables that wait for a value, and a variable's initializer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras.src.backend.common import global_state

# Where Keras keeps the variables that still wait for their values; it has no public way to let go of them.
PENDING = "uninitialized_variables"
# Several times what the papers' largest networks have; some of `keras.applications` have over a thousand.
MOST_VARIABLES = 2_000
MOST_NUMBERS = 2**28


@contextmanager
def deferred_weights() -> Iterator[None]:
    """Give the weights of models that the body builds names and shapes, and values only once the body succeeds.

    If it fails, they never take memory: what a file asks for can be compared with what the file has, whatever it asks
    for.

    Raises:
        ValueError: as soon as there are more weights than any network of the zoo has.

    Example:
        >>> with deferred_weights():
        ...     model = SWRN(28, width=100_000)
        ...     raise ValueError("too large")
    """
    # What else waits for its values, if this is within another scope.
    earlier = list(global_state.get_global_attribute(PENDING) or [])
    scope = keras.StatelessScope()
    try:
        with scope:
            global_state.set_global_attribute(PENDING, _Pending(earlier))
            try:
                yield
            except BaseException:
                scope.initialize_variables = False
                raise
    except BaseException:
        global_state.set_global_attribute(PENDING, earlier)
        raise


def set_first_value(variable: keras.Variable, value: Callable[[], Any]) -> None:
    """Say what a variable made within `deferred_weights` begins with, instead of what its initializer draws.

    Args:
        variable: a Keras variable without a value.
        value: gives it, as an array, when it is time.
    """
    variable._initializer = lambda shape, dtype: keras.ops.convert_to_tensor(value(), dtype)


def drop_weights(model: keras.Model) -> None:
    """Let go of the weights of a model that was built within `deferred_weights` and is not needed."""
    pending = global_state.get_global_attribute(PENDING)
    dropped = {id(variable) for variable in model.variables}
    pending.numbers -= sum(math.prod(variable.shape) for variable in model.variables)
    pending[:] = [variable for variable in pending if id(variable) not in dropped]


class _Pending(list):
    """The variables that wait for a value: no more than a network may have."""

    def __init__(self, earlier: list[Any]):
        super().__init__(earlier)
        self.numbers = 0
        self.most = len(earlier) + MOST_VARIABLES

    def append(self, variable: Any) -> None:
        self.numbers += math.prod(variable.shape)
        if len(self) >= self.most or self.numbers > MOST_NUMBERS:
            raise ValueError(
                f"A network has at most {MOST_VARIABLES} weights, of {MOST_NUMBERS} numbers. Received: more, at "
                f"{variable.path} of shape {tuple(variable.shape)}"
            )
        super().append(variable)
