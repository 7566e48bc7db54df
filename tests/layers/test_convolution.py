"""Convolution and shortcuts, whose padding must be PyTorch's."""

import numpy as np
import pytest
from keras import ops

from recurzoo.layers import PaddingShortcut
from recurzoo.layers.convolution import convolve
from tests.support import numpy_layers


@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("image", [(8, 8), (7, 6)])
def test_zeros_on_every_side_at_any_stride(size, stride, image, rng):
    x = rng.normal(size=(2, *image, 3)).astype("float32")
    kernel = rng.normal(size=(size, size, 3, 4)).astype("float32")
    found = ops.convert_to_numpy(convolve(x, kernel, stride))
    np.testing.assert_allclose(found, numpy_layers.convolve(x, kernel, stride), atol=1e-4)


def test_padding_shortcut_subsamples_and_appends_zero_channels(rng):
    x = rng.normal(size=(2, 5, 4, 3)).astype("float32")
    found = ops.convert_to_numpy(PaddingShortcut(7, strides=2)(x))
    assert found.shape == (2, 3, 2, 7)
    np.testing.assert_array_equal(found[..., :3], x[:, ::2, ::2])
    assert not found[..., 3:].any()
