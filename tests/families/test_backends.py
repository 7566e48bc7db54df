"""Models train and predict on the backends that the other tests do not run on."""

import importlib.util
import os
import subprocess
import sys

import pytest

TRAIN = """
import sys
import keras, numpy as np
from tests.support.families import MEMBERS, images_for, train_a_step
keras.utils.set_random_seed(0)
for name, make in MEMBERS.items():
    model = make()
    images = images_for(model)
    # As loading does.
    model.set_weights(model.get_weights())
    before = model.get_weights()
    assert np.isfinite(train_a_step(model, images)), name
    still = [v.path for v, b in zip(model.weights, before) if np.array_equal(keras.ops.convert_to_numpy(v), b)]
    assert not [path for path in still if not path.endswith("pull")], (name, still)
    unrolled = model.predict(images, verbose=0)
    assert np.isfinite(unrolled).all(), name
    looped = model.with_architecture(unroll=False)
    looped.set_weights(model.get_weights())
    assert np.abs(looped.predict(images, verbose=0) - unrolled).max() < 1e-4 * max(1, np.abs(unrolled).max()), name
"""
KEEP = (
    TRAIN
    + """
import tempfile, recurzoo
with tempfile.TemporaryDirectory() as folder:
    for name, make in MEMBERS.items():
        model = make()
        model.save(f"{folder}/{name}.keras")
        loaded = keras.saving.load_model(f"{folder}/{name}.keras")
        expected = model.predict(images_for(model), verbose=0)
        error = np.abs(loaded.predict(images_for(model), verbose=0) - expected).max()
        assert error <= 1e-5 * max(1, np.abs(expected).max()), name
    for name in recurzoo.list_models(pretrained=True):
        model = recurzoo.load(name)
        assert np.isfinite(train_a_step(model, images_for(model, 2))), name
        recurzoo.save(model, f"{folder}/{name}")
        recurzoo.load(f"{folder}/{name}")
"""
)
# On NumPy, as on PyTorch, what is broadcast shares its numbers' memory, and nothing can be assigned to it.
START = """
from recurzoo.layers.initializers import RowConstant
table = RowConstant([1, 0.5])((2, 3), "float32")
assert all(table.strides) and table.flags.writeable
"""


def run(script, backend):
    environment = {**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"}
    script += f"\nimport keras\nassert keras.backend.backend() == {backend!r}\nprint('done')"
    return subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.others
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_every_family_trains_and_predicts(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    # What ships is loaded, trained and saved by other tests on TensorFlow, and files go between it and JAX.
    result = run(KEEP if backend == "torch" else TRAIN, backend)
    assert result.stdout.splitlines()[-1:] == ["done"], result.stderr[-3000:]


def test_what_a_variable_starts_from_is_no_view():
    result = run(START, "numpy")
    assert result.stdout.splitlines()[-1:] == ["done"], result.stderr[-3000:]
