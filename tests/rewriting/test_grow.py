"""Wider networks with the outputs of narrower ones, of every family that has a width."""

import keras
import numpy as np
import pytest

import recurzoo
from recurzoo.rewriting.grow import widen

SHAPE = (16, 16, 3)
PAIRS = [
    ("swrn-16-2-2", "swrn-16-4-2"),
    ("swrn-16-2-1", "swrn-16-6-2"),
    ("wrn-10-2", "wrn-10-4"),
    ("rc-2-w4", "rc-2-w8"),
    ("rc-resnet-6-w4-preact", "rc-resnet-6-w12-preact"),
    ("preresnet-14-w4", "preresnet-14-w8"),
    ("preresnet-20-w4-naive-u1", "preresnet-20-w8-naive-u1"),
    ("frnn-3-t4-w4", "frnn-3-t4-w8"),
]


def outputs(model, images):
    return keras.ops.convert_to_numpy(model(images, training=False))


@pytest.mark.parametrize(("small", "large"), PAIRS)
def test_outputs_are_equal_and_replicas_part_in_training(small, large, randomize, rng):
    images = rng.uniform(0, 255, (4, *SHAPE)).astype("float32")
    model = randomize(recurzoo.create(small, num_classes=5, input_shape=SHAPE))
    before = {weight.path: keras.ops.convert_to_numpy(weight).copy() for weight in model.weights}
    grown = recurzoo.grow(model, large)
    expected = outputs(model, images)
    np.testing.assert_allclose(outputs(grown, images), expected, atol=1e-4 * max(1, np.abs(expected).max()))
    for weight in model.weights:
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(weight), before[weight.path])
    assert type(grown) is type(model)
    assert grown.count_params() > model.count_params()
    # Two replicas of one channel are equal, and after a step no longer.
    kernel = next(
        weight
        for weight in grown.weights
        if weight.name in ("templates", "kernel") and weight.shape[-1] > before[weight.path].shape[-1]
    )
    replicas = lambda: np.moveaxis(keras.ops.convert_to_numpy(kernel), -1, 0)[:2]  # noqa: E731
    np.testing.assert_array_equal(*replicas())
    grown.compile(keras.optimizers.SGD(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    grown.fit(images, np.arange(4), epochs=2, verbose=0)
    assert np.abs(np.subtract(*replicas())).max() > 0


def test_statistics_images_and_classes_are_kept(randomize):
    model = recurzoo.create("swrn-16-2-2", num_classes=7, input_shape=SHAPE, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    grown = recurzoo.grow(model, "swrn-16-4-2")
    assert grown.architecture["mean"] == (0.1, 0.2, 0.3)
    assert (grown.output_shape, grown.input_shape) == ((None, 7), (None, *SHAPE))


@pytest.mark.parametrize(
    ("small", "large"),
    [
        ("swrn-16-1-2", "swrn-16-2-2"),  # A shortcut that the smaller one has not.
        ("swrn-16-4-2", "swrn-16-6-2"),
        ("swrn-16-4-2", "swrn-16-2-2"),
        ("swrn-16-2-2", "swrn-16-2-1"),
        ("swrn-16-2-2", "swrn-22-2-2"),
        ("swrn-16-2-2", "rc-2-w4"),
    ],
)
def test_what_does_not_grow_is_refused(small, large):
    model = recurzoo.create(small, input_shape=SHAPE)
    with pytest.raises(ValueError, match="Received"):
        recurzoo.grow(model, large)


def test_a_network_of_another_function_is_found_out(randomize):
    model, other = (recurzoo.create("swrn-16-2-2", input_shape=SHAPE) for _ in range(2))
    randomize(model)
    widen(model, other)
    other.get_layer("head").bias.assign(np.ones(10))
    assert np.abs(outputs(model, np.zeros((1, *SHAPE))) - outputs(other, np.zeros((1, *SHAPE)))).max() > 0.5
