"""What all tests share: quiet backends, a fixed seed, conditions to skip, random weights and gradients."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Compiling takes longer than running what tests run.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
# No test asks the real Hub.
os.environ["HF_HUB_OFFLINE"] = "1"
# No test leaves decoded images in the cache of whoever runs it.
os.environ["RECURZOO_CACHE"] = "off"

import numpy as np
import pytest

pytest_plugins = ["tests.support.hub", "tests.support.shelf", "tests.support.tiny_checkpoint"]
BACKEND = os.environ.get("KERAS_BACKEND", "tensorflow")
# Backends that a test may be marked with.
ONLY_ON = ("tensorflow", "jax")


def pytest_configure(config: pytest.Config) -> None:
    for backend in ONLY_ON:
        config.addinivalue_line("markers", f"{backend}: needs this backend")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        # Not among its keywords, where the names of its folders stand too.
        if item.get_closest_marker("data") and not os.environ.get("RECURZOO_DATA"):
            item.add_marker(pytest.mark.skip(reason="RECURZOO_DATA is not set"))
        for backend in ONLY_ON:
            if item.get_closest_marker(backend) and backend != BACKEND:
                item.add_marker(pytest.mark.skip(reason=f"runs on {backend}, not on {BACKEND}"))


def pytest_collection_finish() -> None:
    # The objects of the libraries stay as long as the tests run: looking through them again and again takes long.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@pytest.fixture(autouse=True)
def _seed() -> None:
    np.random.seed(0)
    # Tests of what needs no backend should not wait for one.
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(0)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def randomize(rng: np.random.Generator) -> Callable[[Any], Any]:
    """Gives every weight of a built layer a random value, so that no zero or one hides a mistake."""

    def randomize(layer: Any) -> Any:
        for variable in layer.weights:
            if variable.name == "pull":
                continue
            value = rng.normal(size=variable.shape)
            if variable.name in ("moving_variance", "gamma", "scale"):
                value = 0.5 + np.abs(value)
            elif variable.name in ("templates", "kernel"):
                fan_in = np.prod(variable.shape[-4:-1]) if len(variable.shape) > 2 else variable.shape[0]
                value *= np.sqrt(2 / fan_in)
            variable.assign(value)
        return layer

    return randomize


@pytest.fixture
def gradients() -> Callable[[Callable[[], Any], list[Any]], list[np.ndarray]]:
    """Gives the gradients of a scalar function of Keras variables, on the backend at hand."""

    def on_tensorflow(loss: Callable[[], Any], variables: list[Any]) -> list[np.ndarray]:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            value = loss()
        return [tf.convert_to_tensor(g).numpy() for g in tape.gradient(value, [v.value for v in variables])]

    def on_jax(loss: Callable[[], Any], variables: list[Any]) -> list[np.ndarray]:
        import jax
        import keras

        def stateless(values: list[Any]) -> Any:
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
                return loss()

        return [np.asarray(g) for g in jax.grad(stateless)([v.value for v in variables])]

    return {"tensorflow": on_tensorflow, "jax": on_jax}[BACKEND]
