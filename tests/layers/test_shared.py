"""Layers called at several nodes, against Keras' own layers with the kernels of the bank."""

import json

import keras
import numpy as np
import pytest
from keras import layers

from recurzoo.layers import BiasActivation, ChannelScale, Placement, SharedConv2D, SharedDense, SharedDepthwiseConv2D
from recurzoo.sharing import HardBank, HardSharing, RelaxedSharing, SoftSharing, tied

SHARINGS = {
    "soft": SoftSharing(2),
    "hard": HardSharing((0, 1, 0)),
    "scaled": HardSharing((0, 1, 1), scaled=True),
    "relaxed": RelaxedSharing(),
}


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("sharing", SHARINGS)
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_each_slot_convolves_as_keras_would(sharing, data_format, randomize, rng):
    if data_format == "channels_first" and keras.backend.backend() == "tensorflow":
        pytest.skip("TensorFlow has no such convolutions on a CPU")
    slots = [
        Placement((1, 1), "same", (1, 1), data_format),
        Placement((2, 1), "valid", (1, 1), data_format),
        Placement((1, 1), "same", (2, 2), data_format),
    ]
    layer = SharedConv2D(SHARINGS[sharing], slots, (3, 3, 4, 6))
    x = rng.normal(size=(2, 8, 8, 4) if data_format == "channels_last" else (2, 4, 8, 8)).astype("float32")
    layer(x)
    randomize(layer)
    for slot, at in enumerate(slots):
        plain = layers.Conv2D(6, 3, at.strides, at.padding, at.data_format, at.dilation_rate, use_bias=False)
        plain.build(x.shape)
        plain.kernel.assign(numpy(layer.bank.kernels())[slot])
        np.testing.assert_allclose(numpy(layer(x, slot=slot)), numpy(plain(x)), atol=1e-4)


@pytest.mark.parametrize("sharing", SHARINGS)
def test_depthwise_and_dense_slots(sharing, randomize, rng):
    x = rng.normal(size=(2, 8, 8, 4)).astype("float32")
    depthwise = SharedDepthwiseConv2D(SHARINGS[sharing], [Placement(padding="same")] * 3, (3, 3, 4, 2))
    dense = SharedDense(SHARINGS[sharing], 3, (4, 5))
    for layer in (depthwise, dense):
        layer(x)
        randomize(layer)
    for slot in range(3):
        plain = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, use_bias=False)
        plain.build(x.shape)
        plain.kernel.assign(numpy(depthwise.bank.kernels())[slot])
        np.testing.assert_allclose(numpy(depthwise(x, slot=slot)), numpy(plain(x)), atol=1e-4)
        np.testing.assert_allclose(numpy(dense(x, slot=slot)), x @ numpy(dense.bank.kernels())[slot], atol=1e-4)


def test_a_group_a_channel_is_what_keras_makes_of_it(randomize, rng):
    x = rng.normal(size=(2, 8, 8, 4)).astype("float32")
    layer = SharedConv2D(tied(1), [Placement((2, 2), "same")], (3, 3, 1, 8))
    layer(x)
    randomize(layer)
    plain = layers.Conv2D(8, 3, 2, "same", groups=4, use_bias=False)
    plain.build(x.shape)
    plain.kernel.assign(numpy(layer.bank.templates)[0])
    np.testing.assert_allclose(numpy(layer(x)), numpy(plain(x)), atol=1e-5)


def test_a_slot_gives_what_the_bank_serves(randomize):
    for sharing in SHARINGS.values():
        bank = sharing.bank(3, (3, 3, 2, 4))
        bank.build()
        randomize(bank)
        for slot, (kernel, factor) in enumerate(bank.serve()):
            found, found_factor = bank.serve_slot(slot)
            np.testing.assert_allclose(numpy(found), numpy(kernel), atol=1e-6)
            assert (found_factor is None) == (factor is None)
            if factor is not None:
                assert float(found_factor) == float(factor)
    dense = HardSharing((0, 0, 1), scaled=True).bank(3, (4, 5))
    dense.build()
    assert isinstance(dense, HardBank)
    assert numpy(dense.kernels()).shape == (3, 4, 5)


def test_a_kernel_is_regularized_once_however_many_nodes_it_has(rng, randomize):
    images = keras.Input((8, 8, 4))
    layer = SharedConv2D(SoftSharing(2), [Placement(padding="same")] * 3, (3, 3, 4, 4), keras.regularizers.L2(0.1))
    x = layer(layer(layer(images, slot=0), slot=0), slot=1)
    model = randomize(keras.Model(images, x))
    expected = 0.1 * np.sum(numpy(layer.bank.kernels()) ** 2)
    assert sum(map(float, model.losses)) == pytest.approx(expected, rel=1e-4)
    rebuilt = keras.Model.from_config(json.loads(json.dumps(model.get_config())))
    rebuilt.set_weights(model.get_weights())
    assert sum(map(float, rebuilt.losses)) == pytest.approx(expected, rel=1e-4)


def test_a_frozen_layer_stays_frozen_when_built():
    layer = SharedDense(SoftSharing(1), 2, (4, 4), trainable=False)
    layer.build((None, 4))
    assert not layer.trainable_variables
    again = SharedDense.from_config(layer.get_config())
    again.build((None, 4))
    assert not again.trainable_variables
    layer.trainable = True
    assert len(layer.trainable_variables) == 2


@pytest.mark.parametrize("slot", [3, -1, 1.0, None])
def test_other_slots_are_refused(slot):
    layer = SharedDense(SoftSharing(1), 3, (4, 4))
    with pytest.raises(ValueError, match=f"slots 0 to 2. Received: slot={slot}"):
        layer(np.zeros((1, 4)), slot=slot)


@pytest.mark.parametrize(
    "arguments",
    [
        {"sharing": SoftSharing(3), "slots": 2},
        {"sharing": "soft", "slots": 2},
        {"slots": ["same", "same"]},
        {"slots": 0},
        {"kernel_shape": (4, 0)},
        {"kernel_shape": (4, "4")},
    ],
)
def test_bad_arguments_are_refused(arguments):
    with pytest.raises(ValueError, match="Received"):
        SharedDense(**{"sharing": SoftSharing(1), "slots": 2, "kernel_shape": (4, 4), **arguments}).build((None, 4))


def test_bias_and_scale_act_on_channels(randomize, rng):
    x = rng.normal(size=(2, 4, 4, 3)).astype("float32")
    for axis, shape in ((-1, (1, 1, 1, 3)), (1, (1, 4, 1, 1))):
        layer = BiasActivation("relu", axis=axis, bias_regularizer="l2")
        layer(x)
        randomize(layer)
        expected = np.maximum(x + numpy(layer.bias).reshape(shape), 0)
        again = BiasActivation.from_config(json.loads(json.dumps(layer.get_config())))
        again.build(x.shape)
        again.set_weights(layer.get_weights())
        np.testing.assert_allclose(numpy(again(x)), expected, atol=1e-6)
        assert len(again.losses) == 1
    scale = ChannelScale(dtype=keras.DTypePolicy("float32"))
    scale(x)
    randomize(scale)
    np.testing.assert_allclose(numpy(ChannelScale.from_config(scale.get_config())(x)), x)
    np.testing.assert_allclose(numpy(scale(x)), x * numpy(scale.gamma), atol=1e-6)
