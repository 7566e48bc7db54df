"""Coupled SGD against PyTorch's formula written out in NumPy, and schedules against the recipes' words."""

import keras
import numpy as np
import pytest

from recurzoo.catalog.recipe import Recipe
from recurzoo.catalog.settings import Cosine, Linear, Steps
from recurzoo.training.optimizers import CoupledSGD, EpochSchedule, OrthogonalSGD, make_optimizer, orthogonalize


def pytorch_sgd(weight, gradients, rates, momentum, decay, nesterov):
    """torch.optim.SGD, dampening 0: the decay is in the gradient before the momentum sees it."""
    buffer = None
    for gradient, rate in zip(gradients, rates, strict=True):
        step = gradient + decay * weight
        buffer = step if buffer is None else momentum * buffer + step
        weight = weight - rate * (step + momentum * buffer if nesterov else buffer)
    return weight


@pytest.mark.parametrize("nesterov", [True, False])
def test_three_steps_agree_with_pytorchs_formula(nesterov):
    generator = np.random.default_rng(0)
    start = generator.normal(size=(3, 4))
    gradients = generator.normal(size=(3, 3, 4))
    optimizer = CoupledSGD(0.1, 0.9, nesterov, coupled_decay=5e-4)
    kernel = keras.Variable(start.astype("float32"), name="kernel")
    coefficients = keras.Variable(start.astype("float32"), name="coefficients")
    optimizer.build([kernel, coefficients])
    rates = [0.1, 0.1, 0.02]
    for gradient, rate in zip(gradients, rates, strict=True):
        optimizer.learning_rate = rate
        optimizer.apply([keras.ops.convert_to_tensor(gradient.astype("float32"))] * 2)
    decayed = pytorch_sgd(start, gradients, rates, 0.9, 5e-4, nesterov)
    spared = pytorch_sgd(start, gradients, rates, 0.9, 0.0, nesterov)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(kernel), decayed, atol=1e-6)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(coefficients), spared, atol=1e-6)
    assert np.abs(decayed - spared).max() > 1e-5


def test_a_network_step_agrees_with_pytorchs_formula():
    """A fixed batch through a linear model: gradients by hand, three Nesterov steps by fit."""
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(8, 5)), generator.normal(size=(8, 2))
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(2, use_bias=False)])
    weight = model.get_weights()[0].astype("float64")
    model.compile(CoupledSGD(0.05, 0.9, True, coupled_decay=1e-2), "mse")
    model.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0)
    buffer = np.zeros_like(weight)
    for _ in range(3):
        gradient = 2 * x.T @ (x @ weight - y) / y.size + 1e-2 * weight
        buffer = 0.9 * buffer + gradient
        weight = weight - 0.05 * (gradient + 0.9 * buffer)
    np.testing.assert_allclose(model.get_weights()[0], weight, atol=1e-5)


def test_step_schedule_is_the_papers():
    rate = EpochSchedule(0.1, Steps(epochs=(60, 120, 160), factor=0.2), 200, 390)
    at = [float(rate(epoch * 390)) for epoch in (0, 59.99, 60, 119.99, 120, 160, 199)]
    np.testing.assert_allclose(at, [0.1, 0.1, 0.02, 0.02, 0.004, 0.0008, 0.0008], rtol=1e-5)


@pytest.mark.parametrize(("kind", "at_400"), [(Linear, 0.15), (Cosine, 0.1 * (1 + np.cos(np.pi / 4)))])
def test_warm_up_then_fall_to_zero(kind, at_400):
    rate = EpochSchedule(0.2, kind(warmup=0.2), 10, 100)
    at = [float(rate(step)) for step in (0, 100, 200, 400, 600, 1000)]
    np.testing.assert_allclose(at, [0, 0.1, 0.2, at_400, 0.1, 0], atol=1e-6)
    again = EpochSchedule.from_config(rate.get_config())
    assert (again.schedule, float(again(400))) == (rate.schedule, pytest.approx(at_400))


@pytest.mark.parametrize("shape", [(2, 30, 8), (1, 8, 30), (3, 9, 9)])
def test_orthogonalized_matrices_have_singular_values_near_one_and_the_same_directions(shape):
    matrices = np.random.default_rng(0).normal(size=shape).astype("float32")
    got = keras.ops.convert_to_numpy(orthogonalize(keras.ops.convert_to_tensor(matrices)))
    for matrix, orthogonal in zip(matrices, got, strict=True):
        left, sizes, right = np.linalg.svd(matrix, full_matrices=False)
        inside = left.T @ orthogonal @ right.T
        # Newton-Schulz moves singular values and leaves the directions.
        np.testing.assert_allclose(inside - np.diag(np.diag(inside)), 0, atol=2e-3)
        big = sizes > sizes.max() / 20
        assert ((np.diag(inside) > 0.6) & (np.diag(inside) < 1.3))[big].all()


def test_muon_orthogonalizes_each_template_by_itself_and_nothing_but_kernels():
    generator = np.random.default_rng(2)
    shapes = {"templates": (2, 3, 3, 4, 4), "kernel": (5, 3), "gamma": (4,), "coefficients": (4, 2)}
    weights = [keras.Variable(np.zeros(shape, "float32"), name=name) for name, shape in shapes.items()]
    gradients = [generator.normal(size=shape).astype("float32") for shape in shapes.values()]
    optimizer = OrthogonalSGD(0.1, kernel_ratio=0.5, momentum=0.0)
    optimizer.build(weights)
    optimizer.apply([keras.ops.convert_to_tensor(gradient) for gradient in gradients])
    moves = [-keras.ops.convert_to_numpy(weight) / 0.1 for weight in weights]
    for move, gradient in zip(moves[1:], gradients[1:], strict=True):
        np.testing.assert_allclose(move, gradient, rtol=1e-5)
    for move, gradient in zip(moves[0], gradients[0], strict=True):
        alone = orthogonalize(keras.ops.convert_to_tensor(gradient.reshape(1, -1, 4)))
        np.testing.assert_allclose(move.reshape(-1, 4), 0.5 * keras.ops.convert_to_numpy(alone)[0], atol=1e-4)


def test_a_kernel_whose_gradient_is_small_decays_slowly():
    """By 1 - rate * decay / (1 - momentum) a step, and not as fast as kernels learn; a Dense kernel as in PyTorch."""
    start = {"kernel": np.ones((3, 3, 4, 4), "float32"), "templates": np.ones((2, 1, 1, 4, 4), "float32")}
    weights = [keras.Variable(value, name=name) for name, value in start.items()]
    dense = keras.Variable(np.ones((2, 2), "float32"), name="kernel")
    optimizer = OrthogonalSGD(0.2, kernel_ratio=0.2, coupled_decay=0.01)
    optimizer.build([*weights, dense])
    for _ in range(3):
        optimizer.apply([keras.ops.zeros(weight.shape) for weight in (*weights, dense)])
    for weight in weights:
        np.testing.assert_allclose(keras.ops.convert_to_numpy(weight), (1 - 0.2 * 0.01 / 0.1) ** 3, rtol=1e-5)
    expected = pytorch_sgd(np.ones((2, 2)), np.zeros((3, 2, 2)), [0.2] * 3, 0.9, 0.01, True)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(dense), expected, rtol=1e-5)


def test_clipping_by_value():
    recipe = Recipe(
        name="r",
        architecture="a",
        dataset="d",
        epochs=1,
        optimizer={"learning_rate": 1.0, "momentum": 0.0, "clip_value": 0.1},
    )
    optimizer = make_optimizer(recipe, 10)
    weight = keras.Variable(np.zeros(2, "float32"), name="kernel")
    optimizer.build([weight])
    optimizer.apply([keras.ops.convert_to_tensor(np.array([5.0, -0.05], "float32"))])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(weight), [-0.1, 0.05], atol=1e-6)
