"""A network of states at another readout time: what becomes of its sharing and of its weights."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from keras import ops

from recurzoo.families.base import ZooModel
from recurzoo.layers import Stage
from recurzoo.sharing import HardSharing, Sharing


def lasting_sharing(
    stages: Mapping[str, Stage], steps: Mapping[str, int], shared: bool
) -> dict[str, tuple[Sharing, ...]]:
    """The sharing of each edge for another number of steps: the first ones, or the last one again and again.

    Args:
        stages: the stage of each edge.
        steps: for each edge that is to run, how often.
        shared: bool, whether a single step shares its weights with those to come.

    Returns:
        For each edge a sharing a bank.

    Raises:
        ValueError: if the network has no weights for an edge or for a later step.
    """
    if missing := sorted(set(steps) - set(stages)):
        raise ValueError(
            "At that time the readout depends on transitions that this network has no weights for. "
            f"Received: {', '.join(missing)}"
        )
    return {
        name: tuple(_lasting(bank.sharing, count, shared, name) for bank in stages[name].banks)
        for name, count in steps.items()
    }


def _lasting(sharing: Sharing, steps: int, shared: bool, name: str) -> HardSharing:
    if not isinstance(sharing, HardSharing):
        raise ValueError(
            "Only hard-shared kernels can be read out at another time; materialize or consolidate the others first. "
            f"Received: {name} with {type(sharing).__name__}"
        )
    index = sharing.index
    repeats = index[-1] == index[-2] if len(index) > 1 else shared
    if steps > len(index) and not repeats:
        raise ValueError(
            f"Weights that are independent in time end with the last update. Received: {name} with {len(index)} of "
            f"{steps} steps"
        )
    return HardSharing((index + index[-1:] * steps)[:steps], sharing.scaled)


def copy_lasting_weights(source: ZooModel, target: ZooModel) -> None:
    """Give each weight of a network its value from another one; tables by step end early, or repeat their last row."""
    values = {weight.path: ops.convert_to_numpy(weight.value) for weight in source.weights}
    for weight in target.weights:
        value = values[weight.path]
        if value.shape != tuple(weight.shape):
            value = value[np.minimum(np.arange(weight.shape[0]), len(value) - 1)]
        weight.assign(value)
