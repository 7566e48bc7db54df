"""Stochastic depth: gates while training, expected values after."""

import numpy as np
import pytest
from keras import ops

from recurzoo.layers import StochasticDepth, linear_death_rates


def test_inference_scales_by_the_survival_rate():
    layer = StochasticDepth([0.0, 0.25, 0.5])
    for step, survival in enumerate([1, 0.75, 0.5]):
        for given in (step, ops.convert_to_tensor(step)):
            np.testing.assert_allclose(ops.convert_to_numpy(layer(np.full((2, 3), 4.0), step=given)), 4 * survival)


def test_training_keeps_or_drops_whole_batches_at_the_steps_rate():
    layer = StochasticDepth([0.3], seed=1)
    draws = [ops.convert_to_numpy(layer(np.ones((4, 2)), step=0, training=True)) for _ in range(300)]
    assert all(draw.min() == draw.max() for draw in draws)
    assert np.mean([draw.max() for draw in draws]) == pytest.approx(0.7, abs=0.08)


def test_linear_death_rates_end_at_the_final_rate():
    # 54 blocks, as in ResNet-110; the second level begins with block 19.
    assert linear_death_rates(1, 3, 54) == pytest.approx([0.5 / 54, 1 / 54, 1.5 / 54])
    assert linear_death_rates(53, 2, 54)[-1] == pytest.approx(0.5)


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_impossible_rates_are_refused(rate):
    with pytest.raises(ValueError, match="Received: death_rates="):
        StochasticDepth([rate])
