"""Invertible downsampling: what becomes of each pixel, and that nothing is lost."""

import keras
import numpy as np
import pytest
from keras import ops

from recurzoo.layers import InvertibleDownsampling


@pytest.mark.parametrize("size", [1, 2, 3])
def test_every_pixel_has_one_place_and_comes_back(size, rng):
    x = rng.normal(size=(2, 6, 12, 5)).astype("float32")
    layer = InvertibleDownsampling(size)
    y = ops.convert_to_numpy(layer(x))
    assert y.shape == layer.compute_output_shape(x.shape) == (2, 6 // size, 12 // size, 5 * size**2)
    for row, column, channel in np.ndindex(6, 12, 5):
        copy = (row % size) * size + column % size
        np.testing.assert_array_equal(y[:, row // size, column // size, 5 * copy + channel], x[:, row, column, channel])
    np.testing.assert_array_equal(ops.convert_to_numpy(layer.inverse(y)), x)
    # From the other side, too: every feature map is the downsampling of one image.
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(layer.inverse(2 * y + 1))), 2 * y + 1)


def test_sizes_may_be_open_until_there_is_an_image(rng):
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, InvertibleDownsampling(2)(inputs))
    assert model.output_shape == (None, None, None, 12)
    assert model(np.zeros((1, 4, 6, 3))).shape == (1, 2, 3, 12)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: InvertibleDownsampling(0),
        lambda: InvertibleDownsampling(2)(np.zeros((1, 4, 5, 3))),
        lambda: InvertibleDownsampling(2)(keras.Input((3, 4, 1))),
        lambda: InvertibleDownsampling(2).inverse(np.zeros((1, 4, 4, 3))),
    ],
)
def test_what_cannot_be_downsampled_is_refused(wrong):
    with pytest.raises(ValueError, match="Received: "):
        wrong()
