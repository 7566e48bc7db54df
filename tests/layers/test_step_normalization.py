"""Step normalization against batch normalization in NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

from recurzoo.layers import StepNormalization
from tests.support import numpy_layers

STEPS, CHANNELS = 3, 5
# What each option holds: rows of the statistics, rows of scale and shift.
ROWS = {
    "independent": (STEPS, STEPS),
    "shared_affine": (STEPS, 1),
    "no_affine": (STEPS, 0),
    "shared": (1, 1),
    "none": (0, 0),
    (0, 1, 1): (2, 2),
}


@pytest.fixture
def images(rng):
    return rng.normal(2, 3, size=(6, 4, 4, CHANNELS)).astype("float32")


def make(sharing, randomize, **kwargs):
    layer = StepNormalization(STEPS, sharing, **kwargs)
    layer.build((None, 4, 4, CHANNELS))
    return randomize(layer)


def row(variable, step, otherwise):
    if variable is None:
        return np.full(CHANNELS, otherwise)
    table = ops.convert_to_numpy(variable).astype("float64")
    return table[min(step, len(table) - 1)]


@pytest.mark.parametrize("sharing", ROWS)
def test_weights_are_shared_as_the_option_says(sharing, randomize):
    statistics, affine = ROWS[sharing]
    shapes = {v.name: tuple(v.shape) for v in make(sharing, randomize).weights}
    expected = dict.fromkeys(("moving_mean", "moving_variance"), statistics) | dict.fromkeys(("gamma", "beta"), affine)
    assert shapes == {name: (rows, CHANNELS) for name, rows in expected.items() if rows}


@pytest.mark.parametrize("sharing", ROWS)
@pytest.mark.parametrize("step", [0, 2, 4])
def test_inference_normalizes_by_the_steps_moving_statistics(sharing, step, images, randomize):
    layer = make(sharing, randomize)
    found = ops.convert_to_numpy(layer(images, step=step))
    # A step beyond the last reuses the last one's row.
    weights = [
        row(getattr(layer, name), step, otherwise)
        for name, otherwise in (("moving_mean", 0), ("moving_variance", 1), ("gamma", 1), ("beta", 0))
    ]
    epsilon = 0 if sharing == "none" else 1e-5
    np.testing.assert_allclose(found, numpy_layers.normalize(images, *weights, epsilon=epsilon), atol=1e-4)
    inside_a_loop = ops.convert_to_numpy(layer(images, step=ops.convert_to_tensor(step)))
    np.testing.assert_allclose(inside_a_loop, found, atol=1e-6)


@pytest.mark.parametrize("sharing", [option for option in ROWS if option != "none"])
@pytest.mark.parametrize("step", [1, 5])
def test_training_uses_the_batch_and_learns_its_biased_statistics(sharing, step, images, randomize):
    layer = make(sharing, randomize, momentum=0.8)
    before = {v.name: ops.convert_to_numpy(v).copy() for v in layer.weights}
    found = ops.convert_to_numpy(layer(images, step=step, training=True))

    wide = images.astype("float64")
    mean, variance = wide.mean(axis=(0, 1, 2)), wide.var(axis=(0, 1, 2))
    gamma, beta = row(layer.gamma, step, 1), row(layer.beta, step, 0)
    np.testing.assert_allclose(found, numpy_layers.normalize(images, mean, variance, gamma, beta), atol=1e-4)

    learnt = min(step, ROWS[sharing][0] - 1)
    for name, batch in (("moving_mean", mean), ("moving_variance", variance)):
        expected = before[name].astype("float64")
        expected[learnt] = 0.8 * expected[learnt] + 0.2 * batch
        np.testing.assert_allclose(ops.convert_to_numpy(getattr(layer, name)), expected, rtol=1e-5, atol=1e-5)


def test_training_gradient_is_that_of_batch_normalization(images, rng, randomize, gradients):
    layer = make("independent", randomize)
    x, weights = keras.Variable(images), rng.normal(size=images.shape).astype("float32")
    found = gradients(
        lambda: ops.sum(layer(ops.convert_to_tensor(x), step=1, training=True) * weights), [x, layer.gamma, layer.beta]
    )
    wide, axes = images.astype("float64"), (0, 1, 2)
    deviation = np.sqrt(wide.var(axis=axes) + 1e-5)
    unit = (wide - wide.mean(axis=axes)) / deviation
    centred = weights - weights.mean(axis=axes) - unit * (weights * unit).mean(axis=axes)
    np.testing.assert_allclose(found[0], row(layer.gamma, 1, 1) / deviation * centred, atol=1e-4)
    np.testing.assert_allclose(found[1][1], (weights * unit).sum(axis=axes), atol=1e-3)
    np.testing.assert_allclose(found[2][1], weights.sum(axis=axes), atol=1e-3)
    assert not found[1][[0, 2]].any()


def test_a_frozen_layer_stays_in_inference_mode(images, randomize):
    layer = make("independent", randomize)
    layer.trainable = False
    before = [ops.convert_to_numpy(v).copy() for v in layer.weights]
    trained = ops.convert_to_numpy(layer(images, step=1, training=True))
    np.testing.assert_array_equal(trained, ops.convert_to_numpy(layer(images, step=1, training=False)))
    for variable, value in zip(layer.weights, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(variable), value)


@pytest.mark.parametrize("training", [False, True])
def test_half_precision_computes_in_bfloat16_and_keeps_statistics_in_float32(training, images, randomize):
    wide, half = make("independent", randomize), make("independent", randomize, dtype="mixed_bfloat16")
    half.set_weights(wide.get_weights())
    found = half(images, step=1, training=training)
    assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"
    assert {keras.backend.standardize_dtype(v.dtype) for v in half.weights} == {"float32"}
    expected = ops.convert_to_numpy(wide(images, step=1, training=training))
    np.testing.assert_allclose(ops.convert_to_numpy(ops.cast(found, "float32")), expected, rtol=0.02, atol=0.05)


def test_what_is_not_a_number_stays_so(randomize):
    """TensorFlow's fused kernel of a normalization and a ReLU makes it 0, which hides that a network has diverged."""
    inputs = keras.Input((4, 4, 16))
    layer = StepNormalization(STEPS)
    model = keras.Model(inputs, keras.layers.ReLU()(layer(inputs, step=1)))
    randomize(layer)
    images = np.zeros((2, 4, 4, 16), "float32")
    images[1, 2, 3, 8] = np.nan
    np.testing.assert_array_equal(np.isnan(model.predict(images, verbose=0)), np.isnan(images))


def test_unknown_options_are_refused():
    with pytest.raises(ValueError, match="Received: sharing='both'"):
        StepNormalization(2, "both")
    with pytest.raises(ValueError, match=r"Received: \(0, 1, 1\)"):
        StepNormalization(2, (0, 1, 1))
