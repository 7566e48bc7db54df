"""Tables whose rows belong to steps: one a step, one for all, or as an index says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from recurzoo.base.documents import shorten
from recurzoo.sharing.hard import names_all

# The deepest network that was published has so many layers.
MOST_STEPS = 1_202


def rows_of_steps(sharing: str | Sequence[int], steps: int) -> tuple[int, ...]:
    """For each step its row in a table.

    Args:
        sharing: `"per_step"`, `"shared"`, or for each step the number of its row; every number from 0 to the largest
            occurs.
        steps: int.

    Returns:
        A tuple of `steps` ints.

    Raises:
        ValueError: if an index is not one of `steps` rows, or skips a row; if there are more than `MOST_STEPS`.
    """
    if steps > MOST_STEPS:
        raise ValueError(f"There are at most {MOST_STEPS} steps. Received: {steps}")
    if sharing == "per_step":
        return tuple(range(steps))
    if sharing == "shared":
        return (0,) * steps
    rows: tuple[Any, ...] = tuple(sharing)
    if isinstance(sharing, str) or len(rows) != steps or not names_all(rows):
        raise ValueError(
            f'What steps share is "per_step", "shared", or an index of {steps} rows that names every row from 0 to its '
            f"largest. Received: {shorten(sharing)}"
        )
    return rows


def row_at(table: Any, rows: Sequence[int], step: Any) -> Any:
    """The row of a step; a step after the last has the last one's.

    Args:
        table: variable or tensor `(rows, ...)`.
        rows: what `rows_of_steps` gives.
        step: int, or int tensor inside a loop.
    """
    last = len(rows) - 1
    # A table of one row needs no step at all.
    if isinstance(step, int) or table.shape[0] == 1:
        return ops.convert_to_tensor(table)[rows[min(step, last)] if isinstance(step, int) else 0]
    step = ops.minimum(step, last)
    if tuple(rows) != tuple(range(len(rows))):
        step = ops.take(np.array(rows), step)
    return ops.take(table, step, axis=0)
