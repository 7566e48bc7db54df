"""How alike the kernels of two slots are."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops


def absolute_cosines(vectors: Any) -> Any:
    """`S_ij = |<a_i, a_j>| / (|a_i| |a_j|)`, the layer similarity matrix (Savarese & Maire, 2019, section 3.2).

    It is blind to a kernel's sign and size; folding keeps both as the slot's own scale.

    Args:
        vectors: tensor or array, one row a slot.

    Returns:
        A tensor `(slots, slots)` of values in 0..1; rows of zeros are similar to nothing.
    """
    squares = ops.sum(ops.square(vectors), axis=1, keepdims=True)
    # Replaced before the root is taken: at a row of zeros the root's gradient would be NaN.
    unit = vectors / ops.sqrt(ops.where(squares > 0, squares, ops.ones_like(squares)))
    return ops.abs(ops.matmul(unit, ops.transpose(unit)))


def group_by_similarity(similarity: np.ndarray, threshold: float) -> tuple[int, ...]:
    """Give each slot the leader it is at least `threshold` similar to: the most similar of the earlier leaders.

    A slot is compared with leaders only, so every member of a group is within the threshold of its leader; chains of
    ever less similar slots cannot form.

    Args:
        similarity: array `(slots, slots)`.
        threshold: float in 0..1.

    Returns:
        For each slot the slot that leads its group (itself, if none before it is similar enough).

    Raises:
        ValueError: if `threshold` is outside 0..1.
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"A similarity threshold lies between 0 and 1. Received: threshold={threshold}")
    leaders: list[int] = []
    leader_of = []
    # Similarities of equal kernels may miss 1 by rounding.
    slack = 1e-6
    for slot in range(len(similarity)):
        best = max(leaders, key=lambda leader: similarity[slot, leader], default=None)
        if best is None or similarity[slot, best] < threshold - slack:
            best = slot
            leaders.append(slot)
        leader_of.append(best)
    return tuple(leader_of)
