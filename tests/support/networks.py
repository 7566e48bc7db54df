"""A tiny network of each family."""

from __future__ import annotations

from typing import Any

from recurzoo.models import FRNN, RC, SCNN, SWRN, PreActivationResNet, RelaxedResNet

SMALL = {"num_classes": 5, "input_shape": (8, 8, 3)}
NETWORKS = {
    "swrn": lambda: SWRN(16, 1, 2, **SMALL),
    "rc": lambda: RC(4, 4, **SMALL),
    "preresnet": lambda: PreActivationResNet(20, 1, width=4, **SMALL),
    "relaxed": lambda: RelaxedResNet((2, 2, 2), "raw", death_rate=0.5, **SMALL),
    "scnn": lambda: SCNN(3, width=4, input_shape=(8, 8, 2)),
    "frnn": lambda: FRNN(((8, 4), (4, 8), (2, 8)), readout=5, prenet=1, **SMALL),
}


def make(family: str) -> Any:
    """An untrained network."""
    return NETWORKS[family]()
