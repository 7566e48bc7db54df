"""Stochastic depth: residuals that die at random while training."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("recurzoo")
class StochasticDepth(keras.layers.Layer):
    """Drops a whole residual with its step's death rate, one gate a batch (Huang et al., 2016).

    When not training, the residual is scaled by its survival rate instead.

    Args:
        death_rates: list of floats in 0..1, one a step.
        seed: int or None.

    Input shape:
        Any.

    Output shape:
        Same as the input.

    Raises:
        ValueError: if a rate is outside 0..1.
    """

    def __init__(self, death_rates: list[float], seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        if not all(0 <= rate < 1 for rate in death_rates):
            raise ValueError(f"Death rates lie in 0..1, below 1. Received: death_rates={death_rates}")
        self.death_rates = list(death_rates)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, residual: Any, step: Any = 0, training: bool | None = None) -> Any:
        # A step after the last reuses the last one's rate, as its normalization does.
        rates = ops.convert_to_tensor(self.death_rates, dtype="float32")
        survival = 1 - ops.take(rates, ops.minimum(step, len(self.death_rates) - 1))
        if training:
            gate = keras.random.uniform((), dtype="float32", seed=self.seed_generator) < survival
            return residual * ops.cast(gate, residual.dtype)
        return residual * ops.cast(survival, residual.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "death_rates": self.death_rates, "seed": self.seed}


def linear_death_rates(first: int, steps: int, total: int, final: float = 0.5) -> list[float]:
    """The linear rule: block l of `total` dies with rate `final * l / total`.

    Args:
        first: int, the first block's number, counted from 1.
        steps: int, how many blocks.
        total: int, blocks in the whole network.
        final: float, the last block's rate.

    Returns:
        A list of floats, one a block.
    """
    return [final * block / total for block in range(first, first + steps)]
