"""Every bank and every normalisation through every way a Keras model is saved, copied or rebuilt."""

import io
import json
import os
import subprocess
import sys
import zipfile

import h5py
import keras
import numpy as np
import pytest

from recurzoo.layers import BottleneckBlock, PostActivationBlock, PreActivationBlock, Stage
from recurzoo.models import RC, SWRN, PreActivationResNet
from recurzoo.sharing import HardSharing, RelaxedSharing, SoftSharing, partly, tied

pytestmark = pytest.mark.tensorflow


def pooling():
    return {1: keras.layers.AveragePooling2D(2, data_format="channels_last")}


PRE = PreActivationBlock(4)
STAGES = {
    "tied": lambda: Stage(PRE, 3, tied(3), name="stage"),
    "scaled": lambda: Stage(PRE, 3, HardSharing((0, 0, 1), scaled=True), name="stage"),
    "partly": lambda: Stage(PostActivationBlock(4, bias="per_step"), 3, partly([0, 1, 1]), name="stage"),
    "soft": lambda: Stage(PRE, 3, SoftSharing(2, recurrence=0.1), across_sites=True, name="stage"),
    "relaxed": lambda: Stage(
        PostActivationBlock(4, "shared", 0.2), 3, RelaxedSharing(), death_rates=[0.1, 0.2, 0.3], name="stage"
    ),
    "looped": lambda: Stage(PRE, 3, tied(3), before=pooling(), unroll=False, gamma_initializer="zeros", name="stage"),
    "entry": lambda: Stage(
        BottleneckBlock(8, 3), 3, (SoftSharing(2), tied(3), RelaxedSharing()), strides=2, name="stage"
    ),
    "shared_affine": lambda: Stage(PRE, 2, tied(2), "shared_affine", name="stage"),
    "no_affine": lambda: Stage(PRE, 2, tied(2), "no_affine", name="stage"),
    "shared": lambda: Stage(PRE, 2, tied(2), "shared", name="stage"),
    "none": lambda: Stage(PRE, 2, tied(2), "none", name="stage"),
}
SMALL = {"num_classes": 3, "input_shape": (8, 8, 3)}
FOLDED = {"stage_2": HardSharing((0, 0), scaled=True), "stage_1_entry": (tied(1), tied(1))}
FAMILIES = {
    "SWRN": lambda: SWRN(16, 1, 2, dropout=0.3, **SMALL),
    "SWRN folded": lambda: SWRN(16, 1, 2, sharing=FOLDED, unroll=False, **SMALL),
    "RC": lambda: RC(2, 4, **SMALL),
    "PreActivationResNet": lambda: PreActivationResNet(20, 1, "shared", 4, extra_steps=1, extra_scale=0.5, **SMALL),
}
CASES = [*STAGES, *FAMILIES]


def make(case):
    if case in FAMILIES:
        return FAMILIES[case]()
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, data_format="channels_last", name="stem")(inputs)
    x = STAGES[case]()(x)
    x = keras.layers.GlobalAveragePooling2D(data_format="channels_last")(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="head")(x))


@pytest.fixture(params=CASES)
def model(request, randomize):
    return with_random_weights(request.param, randomize)


def with_random_weights(case, randomize):
    model = randomize(make(case))
    # Logits of a trained net's size.
    model.get_layer("head").kernel.assign(model.get_layer("head").kernel / 10)
    return model


@pytest.fixture
def images(rng):
    return rng.uniform(0, 2, size=(2, 8, 8, 3)).astype("float32")


def assert_same(found, model, images):
    assert len(found.variables) == len(model.variables)
    assert found.count_params() == model.count_params()
    np.testing.assert_allclose(found(images, training=False), model(images, training=False), atol=1e-5)


def test_keras_file_holds_each_weight_once(model, images, tmp_path):
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.saving.load_model(path)
    assert type(loaded) is type(model)
    assert_same(loaded, model, images)

    shapes = []
    with zipfile.ZipFile(path) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as weights:
        weights.visititems(lambda _, item: shapes.append(item.shape) if isinstance(item, h5py.Dataset) else None)
    # Keras does not save the states of random generators.
    assert sorted(shapes) == sorted(tuple(v.shape) for v in model.weights)


def test_weights_file_fills_a_model_made_from_the_config(model, images, tmp_path):
    model.save_weights(tmp_path / "model.weights.h5")
    config = json.loads(json.dumps(model.get_config()))
    rebuilt = type(model).from_config(config)
    assert type(rebuilt) is type(model)
    rebuilt.load_weights(tmp_path / "model.weights.h5")
    assert_same(rebuilt, model, images)


def test_clone_has_weights_of_its_own_and_can_be_saved(model, images, tmp_path):
    clone = keras.models.clone_model(model)
    assert not {id(v) for v in clone.variables} & {id(v) for v in model.variables}
    clone.set_weights(model.get_weights())
    assert_same(clone, model, images)
    clone.save(tmp_path / "clone.keras")
    assert_same(keras.saving.load_model(tmp_path / "clone.keras"), model, images)


def test_sub_model_up_to_a_stage(model, images, tmp_path):
    name = [layer.name for layer in model.layers if isinstance(layer, Stage)][-1]
    sub = keras.Model(model.input, model.get_layer(name).output)
    sub.save(tmp_path / "sub.keras")
    loaded = keras.saving.load_model(tmp_path / "sub.keras")
    assert_same(loaded, sub, images)
    assert len(sub.variables) < len(model.variables)


def test_saved_model_gives_the_same_outputs(model, images, tmp_path):
    import tensorflow as tf

    model.export(tmp_path / "saved", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "saved")
    np.testing.assert_allclose(loaded.serve(images), model(images, training=False), atol=1e-5)


OPEN_ON_JAX = """
import json, sys
import numpy as np, keras
import recurzoo.models
assert keras.backend.backend() == "jax"
folder, report = sys.argv[1], {}
images = np.load(f"{folder}/images.npy")
for case in json.loads(sys.argv[2]):
    model = keras.saving.load_model(f"{folder}/{case}.keras")
    error = np.abs(np.asarray(model.predict(images, verbose=0)) - np.load(f"{folder}/{case}.npy")).max()
    report[case] = [len(model.variables), float(error)]
print(json.dumps(report))
"""


def test_files_of_tensorflow_open_on_jax(images, randomize, tmp_path):
    pytest.importorskip("jax")
    expected = {}
    np.save(tmp_path / "images.npy", images)
    for case in CASES:
        model = with_random_weights(case, randomize)
        model.save(tmp_path / f"{case}.keras")
        np.save(tmp_path / f"{case}.npy", model(images, training=False))
        expected[case] = len(model.variables)
    run = subprocess.run(
        [sys.executable, "-c", OPEN_ON_JAX, str(tmp_path), json.dumps(CASES)],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    for case, (variables, error) in json.loads(run.stdout.splitlines()[-1]).items():
        assert variables == expected[case], case
        assert error <= 1e-4, case


def pass_every_route(model, images, folder):
    """For the tests of other families: one model through all of the above."""
    routes = (
        test_keras_file_holds_each_weight_once,
        test_weights_file_fills_a_model_made_from_the_config,
        test_clone_has_weights_of_its_own_and_can_be_saved,
        test_sub_model_up_to_a_stage,
        test_saved_model_gives_the_same_outputs,
    )
    for number, route in enumerate(routes):
        (folder / str(number)).mkdir()
        route(model, images, folder / str(number))
