"""Order of the slots and gradients of shared kernels, against a hand-written network of plain convolutions."""

import keras
import numpy as np
import pytest
from keras import ops

from recurzoo.layers import PreActivationBlock, Stage
from recurzoo.sharing import HardSharing, RelaxedSharing, SoftSharing

STEPS, CHANNELS = 3, 4


def plain_network(x, kernels, stage):
    """Three pre-activation blocks, written out: kernels b1.conv1, b1.conv2, b2.conv1, ..."""

    def batch_norm_relu(x, site, step):
        layer = stage.normalizations[site]
        gamma, beta, mean, variance = (w[step] for w in layer.weights)
        return ops.relu((x - mean) / ops.sqrt(variance + 1e-5) * gamma + beta)

    for step in range(STEPS):
        h = ops.conv(batch_norm_relu(x, "bn1", step), kernels[2 * step], padding="same", data_format="channels_last")
        h = batch_norm_relu(h, "bn2", step)
        x = x + ops.conv(h, kernels[2 * step + 1], padding="same", data_format="channels_last")
    return x


@pytest.fixture
def images(rng):
    return rng.normal(size=(2, 6, 6, CHANNELS)).astype("float32")


@pytest.fixture
def weighting(rng, images):
    return rng.normal(size=images.shape).astype("float32")


@pytest.mark.parametrize(
    "sharing",
    [SoftSharing(2), SoftSharing(6), HardSharing((0, 1, 0, 2, 1, 1), scaled=True), RelaxedSharing(pull=0.0)],
    ids=["soft", "soft full", "hard", "relaxed"],
)
def test_gradients_are_the_chain_rule_of_plain_convolutions(sharing, images, weighting, randomize, gradients):
    stage = Stage(PreActivationBlock(CHANNELS), STEPS, sharing, across_sites=True)
    stage.build(images.shape)
    (bank,) = randomize(stage).banks
    kernels = [keras.Variable(kernel) for kernel in ops.convert_to_numpy(bank.kernels())]
    np.testing.assert_allclose(
        ops.convert_to_numpy(stage(images, training=False)),
        ops.convert_to_numpy(plain_network(images, [ops.convert_to_tensor(k) for k in kernels], stage)),
        rtol=1e-4,
        atol=1e-4,
    )

    def plain_loss():
        return ops.sum(plain_network(images, [ops.convert_to_tensor(k) for k in kernels], stage) * weighting)

    variables = bank.trainable_variables
    found = gradients(lambda: ops.sum(stage(images, training=False) * weighting), variables)
    found = {v.name: g for v, g in zip(variables, found, strict=True)}
    dW = np.stack(gradients(plain_loss, kernels)).astype("float64")
    T = ops.convert_to_numpy(bank.templates).astype("float64")

    if isinstance(sharing, RelaxedSharing):
        expected = {"templates": dW}
    elif isinstance(sharing, SoftSharing):
        a = ops.convert_to_numpy(bank.coefficients)
        expected = {
            "templates": np.stack([sum(a[i, j] * dW[i] for i in range(6)) for j in range(len(T))]),
            "coefficients": np.array([[np.sum(dW[i] * T[j]) for j in range(len(T))] for i in range(6)]),
        }
    else:
        s, index = ops.convert_to_numpy(bank.scale), np.array(sharing.index)
        expected = {
            "templates": np.stack([sum(s[i] * dW[i] for i in np.flatnonzero(index == j)) for j in range(len(T))]),
            "scale": np.array([np.sum(dW[i] * T[index[i]]) for i in range(6)]),
        }
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        np.testing.assert_allclose(found[name], gradient, rtol=1e-3, atol=1e-3 * np.abs(gradient).max(), err_msg=name)
