"""Models train and predict on the backends that the other tests do not run on."""

import importlib.util
import os
import subprocess
import sys

import pytest

SCRIPT = """
import sys
import keras, numpy as np
from recurzoo.models import FRNN, RC, SWRN, PreActivationResNet
assert keras.backend.backend() == sys.argv[1]
keras.utils.set_random_seed(0)
images = np.random.default_rng(0).integers(0, 256, size=(8, 8, 8, 3)).astype("uint8")
small = {"num_classes": 3, "input_shape": (8, 8, 3)}
for model in (
    SWRN(16, 1, 2, dropout=0.3, recurrence=0.01, **small),
    RC(2, 4, **small),
    PreActivationResNet(20, 1, "shared", 4, **small),
    FRNN(((8, 4), (4, 6)), readout=4, **small),
):
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = [keras.ops.convert_to_numpy(v).copy() for v in model.weights]
    loss = model.train_on_batch(images, np.arange(8) % 3)
    assert np.isfinite(loss), loss
    still = [v.path for v, b in zip(model.weights, before) if np.array_equal(keras.ops.convert_to_numpy(v), b)]
    assert not still, still
    unrolled = model.predict(images, verbose=0)
    assert unrolled.shape == (8, 3) and np.isfinite(unrolled).all()
    looped = model.with_architecture(unroll=False)
    looped.set_weights(model.get_weights())
    assert np.abs(looped.predict(images, verbose=0) - unrolled).max() < 1e-4
print("done")
"""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_models_train_and_predict(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, backend],
        env={**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout.splitlines()[-1] == "done"
