"""States inside a network: their names, and the models that give them."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from recurzoo.layers import StateGraph
from recurzoo.models import FRNN, RC, PreActivationResNet
from recurzoo.rewriting.outputs import output_names, with_outputs
from tests.support.networks import NETWORKS, SMALL, make
from tests.support.numpy_layers import convolve, normalize, relu


def images_for(model, rng, count=3):
    return rng.uniform(0, 255, (count, *model.input_shape[1:])).astype("float32")


def test_names_of_stages_and_of_graphs():
    assert output_names(RC(2, 4, **SMALL)) == (
        *("preprocessing", "stem", "stem_bn", "stem_relu", "cell_1/0", "cell_1/1"),
        *("downsampling", "cell_2/0", "cell_2/1", "pool", "head"),
    )
    names = output_names(FRNN(((8, 4), (4, 8)), readout=4, prenet=1, **SMALL))
    # State 1 is populated by update 0; the last update serves the readout alone.
    assert [name for name in names if "/" in name] == [
        *("graph/0/0", "graph/1/0", "graph/0/1", "graph/1/1", "graph/1/2"),
    ]


@pytest.mark.parametrize("family", NETWORKS)
def test_the_last_state_is_the_stages_output(family, randomize, rng):
    model = randomize(make(family))
    inside = with_outputs(model, "*")
    assert tuple(inside.output) == output_names(model)
    images = images_for(model, rng)
    states = {name: ops.convert_to_numpy(state) for name, state in inside(images).items()}
    np.testing.assert_allclose(states["head"], ops.convert_to_numpy(model(images)), rtol=1e-4, atol=1e-4)
    for layer in model.layers:
        outputs = ops.convert_to_numpy(keras.Model(model.input, layer.output)(images))
        last = [name for name in states if name == layer.name or name.startswith(f"{layer.name}/")][-1:]
        for name in last:
            np.testing.assert_allclose(states[name], outputs, rtol=1e-4, atol=1e-4)


def test_states_of_a_recurrent_cell_by_numpy(randomize, rng):
    model = randomize(RC(2, 4, **SMALL))
    images = images_for(model, rng)
    states = with_outputs(model, ["downsampling", "cell_2/*"]).predict(images, verbose=0)
    assert set(states) == {"downsampling", "cell_2/0", "cell_2/1"}
    value = {weight.path: ops.convert_to_numpy(weight.value) for weight in model.weights}

    def normalized(x, site, step):
        mean, variance, gamma, beta = (
            value[f"cell_2/{site}/{name}"][step] for name in ("moving_mean", "moving_variance", "gamma", "beta")
        )
        return normalize(x, mean, variance, gamma, beta)

    x = states["downsampling"]
    for step in range(2):
        if step == 1:
            x = x.reshape(3, 1, 2, 1, 2, 16).mean(axis=(2, 4))
        h = relu(normalized(convolve(x, value["cell_2/conv1_bank/templates"][0]), "bn1", step))
        x = relu(x + normalized(convolve(h, value["cell_2/conv2_bank/templates"][0]), "bn2", step))
        np.testing.assert_allclose(states[f"cell_2/{step}"], x, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("family", ["swrn", "frnn"])
def test_an_ordinary_keras_model_that_shares_the_weights(family, randomize, rng, tmp_path):
    model = randomize(make(family))
    images = images_for(model, rng)
    pattern = "graph/*" if family == "frnn" else "stage_3/*"
    inside = with_outputs(model, [pattern, "head"])
    shared = {id(weight) for weight in model.weights}
    assert {id(weight) for weight in inside.weights} <= shared
    inside.save(tmp_path / "inside.keras")
    reloaded = keras.saving.load_model(tmp_path / "inside.keras")
    clone = keras.models.clone_model(inside)
    clone.set_weights(inside.get_weights())
    expected = inside.predict(images, verbose=0)
    for other in (reloaded, clone):
        received = other.predict(images, verbose=0)
        assert set(received) == set(expected)
        for name, state in received.items():
            np.testing.assert_allclose(state, expected[name], rtol=1e-4, atol=1e-4)


def test_a_model_that_runs_its_last_block_further_shows_that_too():
    model = PreActivationResNet(20, width=4, extra_steps=2, extra_scale=0.1, **SMALL)
    names = output_names(model)
    assert [name for name in names if name.startswith("stage_3/")] == [f"stage_3/{step}" for step in range(4)]
    assert "stage_3/3" in with_outputs(model, "stage_3/*").output


def test_a_sequence_shows_its_states_too(rng):
    updates = keras.Input((3, 4, 4, 2))
    graph = StateGraph([(4, 2), (2, 4)], [[(0, 0), (0, 1), (1, 1)]] * 3, sequential=True)
    model = keras.Model(updates, graph(updates))
    sequence = rng.normal(size=(2, 3, 4, 4, 2)).astype("float32")
    states = with_outputs(model, f"{graph.name}/1/*")(sequence)
    expected = ops.convert_to_numpy(model(sequence))
    for update in range(3):
        np.testing.assert_allclose(states[f"{graph.name}/1/{update}"], expected[:, update], rtol=1e-5, atol=1e-5)


def test_what_is_not_inside_is_refused():
    model = RC(1, 4, **SMALL)
    with pytest.raises(ValueError, match=r"'cell_3/\*'.*cell_"):
        with_outputs(model, ["cell_1/*", "cell_3/*"])
    with pytest.raises(ValueError, match="none"):
        with_outputs(model, [])
    with pytest.raises(ValueError, match="Sequential"):
        output_names(keras.Sequential([keras.layers.Dense(1)]))


def test_loading_with_outputs(tmp_path, randomize, rng):
    import recurzoo

    model = randomize(RC(2, 4, **SMALL))
    recurzoo.save(model, tmp_path / "net")
    inside = recurzoo.load(tmp_path / "net", outputs=["cell_2/*", "head"])
    images = images_for(model, rng)
    np.testing.assert_allclose(
        ops.convert_to_numpy(inside(images)["head"]), ops.convert_to_numpy(model(images)), rtol=1e-4, atol=1e-4
    )
    assert tuple(inside.output) == ("cell_2/0", "cell_2/1", "head")
