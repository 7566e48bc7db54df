"""A network taken apart gives, step by step, what it gives as a whole."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from recurzoo.layers import PostActivationBlock, Stage
from recurzoo.models import FRNN, RC, PreActivationResNet, RelaxedResNet
from recurzoo.rewriting.outputs import with_outputs
from recurzoo.rewriting.steps import Piece, Steps, gather, states_after
from recurzoo.sharing import tied
from tests.support.networks import NETWORKS, SMALL, make


def tensor(model, rng, count=3):
    return ops.convert_to_tensor(rng.uniform(0, 255, (count, *model.input_shape[1:])).astype("float32"))


@pytest.mark.parametrize("family", NETWORKS)
def test_the_pieces_give_the_states_and_the_outputs(family, randomize, rng):
    model = randomize(make(family))
    state = images = tensor(model, rng)
    expected = {name: ops.convert_to_numpy(value) for name, value in with_outputs(model, "*")(images).items()}
    network = Steps(model)
    met = set()
    for piece in network.body:
        state = network.run(piece, state)
        for name, value in states_after(piece, state).items():
            # A layer between two steps has no output of its own in the model.
            if name in expected:
                np.testing.assert_allclose(ops.convert_to_numpy(value), expected[name], rtol=1e-4, atol=1e-4)
                met.add(name)
    assert {name for name in expected if "/" in name} <= met
    np.testing.assert_allclose(
        ops.convert_to_numpy(network.read_out(state)), ops.convert_to_numpy(model(images)), rtol=1e-4, atol=1e-4
    )
    assert network.is_readable(network.steps[-1])


def test_the_head_reads_what_has_its_channels():
    def readable(model):
        network = Steps(model)
        return [piece.name for piece in network.body if network.is_readable(piece)]

    assert readable(RC(2, 4, **SMALL)) == ["cell_2/0", "cell_2/1"]
    assert readable(PreActivationResNet(14, width=4, **SMALL)) == ["stage_3_entry/0", "stage_3/0"]
    # Nothing is in the last of three states before update 1, where each reaches its neighbors alone.
    adjacent = FRNN(((8, 4), (4, 8), (2, 8)), "adjacent", readout=5, prenet=1, **SMALL)
    assert readable(adjacent) == ["graph/1", "graph/2", "graph/3"]
    assert readable(RC(2, 4, include_top=False, **SMALL)) == []


def test_steps_that_can_be_skipped():
    def skippable(model):
        network = Steps(model)
        return [piece.name for piece in network.steps if network.can_skip(piece)]

    levels = RelaxedResNet((1, 2, 1), **SMALL)
    assert skippable(levels) == ["level_1/0", "level_2/0", "level_2/1", "level_3/0"]
    assert skippable(FRNN(((8, 4), (4, 8)), readout=4, prenet=1, **SMALL)) == ["graph/1", "graph/2"]


def test_a_step_after_the_last_repeats_it_by_a_scale(randomize, rng):
    model = randomize(PreActivationResNet(20, width=4, **SMALL))
    further = model.with_architecture(extra_steps=2, extra_scale=0.1)
    further.set_weights(model.get_weights())
    images = tensor(model, rng)
    network = Steps(model)
    state = network.through(network.body, images)
    last = network.steps[-1].layer
    for step in (last.steps, last.steps + 1):
        state = network.run(Piece("further", last, step), state, scale=0.1)
    expected = ops.convert_to_numpy(further(images))
    np.testing.assert_allclose(ops.convert_to_numpy(network.read_out(state)), expected, rtol=1e-3, atol=1e-3)
    apart = Steps(further)
    np.testing.assert_allclose(
        ops.convert_to_numpy(apart.read_out(apart.through(apart.body, images))), expected, rtol=1e-3, atol=1e-3
    )


def test_the_states_of_some_images(randomize, rng):
    model = randomize(make("frnn"))
    network, images = Steps(model), tensor(model, rng)
    state = network.through(network.body[:-1], images)
    some = gather(state, np.array([2, 0]))
    received = ops.convert_to_numpy(network.read_out(network.run(network.body[-1], some)))
    np.testing.assert_allclose(received, ops.convert_to_numpy(model(images))[[2, 0]], rtol=1e-4, atol=1e-4)


def test_networks_that_are_not_taken_apart():
    images = keras.Input((8, 8, 4))
    stage = Stage(PostActivationBlock(4), 2, tied(2))
    with pytest.raises(ValueError, match="in a row"):
        Steps(keras.Model(images, keras.layers.Add()([images, stage(images)])))
    with pytest.raises(ValueError, match="no stage"):
        Steps(keras.Model(images, keras.layers.ReLU()(images)))
