"""The ways in which a Keras model is saved, copied or rebuilt, each as a check of one model with random weights."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras import ops

from recurzoo.layers import Stage, StateGraph
from recurzoo.layers.shared import SharedLayer

OPEN_ON_JAX = """
import json, sys
import recurzoo
import numpy as np, keras
assert keras.backend.backend() == "jax"
folder, report = sys.argv[1], {}
images = np.load(f"{folder}/images.npy")
for case in json.loads(sys.argv[2]):
    model = keras.saving.load_model(f"{folder}/{case}.keras")
    np.save(f"{folder}/{case}.npy", np.asarray(model.predict(images, verbose=0)))
    report[case] = len(model.variables)
print(json.dumps(report))
"""


def outputs(model, images):
    return ops.convert_to_numpy(model(ops.convert_to_tensor(images), training=False))


def with_trained_logits(model):
    """A model with random weights, whose logits are brought to the size of a trained network's."""
    head = model.get_layer("head").kernel
    head.assign(head / 10)
    return model


def assert_same(found, model, images):
    assert len(found.variables) == len(model.variables)
    assert found.count_params() == model.count_params()
    np.testing.assert_allclose(outputs(found, images), outputs(model, images), atol=1e-5)


def keras_file_holds_each_weight_once(model, images, folder):
    path = folder / "model.keras"
    model.save(path)
    loaded = keras.saving.load_model(path)
    assert type(loaded) is type(model)
    assert_same(loaded, model, images)

    shapes = []
    with zipfile.ZipFile(path) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as weights:
        weights.visititems(lambda _, item: shapes.append(item.shape) if isinstance(item, h5py.Dataset) else None)
    # Keras does not save the states of random generators.
    assert sorted(shapes) == sorted(tuple(v.shape) for v in model.weights)


def weights_file_fills_a_model_made_from_the_config(model, images, folder):
    model.save_weights(folder / "model.weights.h5")
    config = json.loads(json.dumps(model.get_config()))
    rebuilt = type(model).from_config(config)
    assert type(rebuilt) is type(model)
    rebuilt.load_weights(folder / "model.weights.h5")
    assert_same(rebuilt, model, images)


def clone_has_weights_of_its_own_and_can_be_saved(model, images, folder):
    clone = keras.models.clone_model(model)
    assert not {id(v) for v in clone.variables} & {id(v) for v in model.variables}
    clone.set_weights(model.get_weights())
    assert_same(clone, model, images)
    clone.save(folder / "clone.keras")
    assert_same(keras.saving.load_model(folder / "clone.keras"), model, images)


def sub_model_up_to_the_last_stage(model, images, folder):
    name = [layer.name for layer in model.layers if isinstance(layer, (Stage, StateGraph, SharedLayer))][-1]
    sub = keras.Model(model.input, model.get_layer(name).output)
    sub.save(folder / "sub.keras")
    loaded = keras.saving.load_model(folder / "sub.keras")
    assert_same(loaded, sub, images)
    assert len(sub.variables) < len(model.variables)


def saved_model_gives_the_same_outputs(model, images, folder):
    import tensorflow as tf

    model.export(folder / "saved", verbose=False)
    loaded = tf.saved_model.load(folder / "saved")
    np.testing.assert_allclose(loaded.serve(images), outputs(model, images), atol=1e-5)


ROUTES = (
    keras_file_holds_each_weight_once,
    weights_file_fills_a_model_made_from_the_config,
    clone_has_weights_of_its_own_and_can_be_saved,
    sub_model_up_to_the_last_stage,
    saved_model_gives_the_same_outputs,
)


def pass_every_route(model, images, folder: Path) -> None:
    for route in ROUTES:
        (folder / route.__name__).mkdir()
        route(model, images, folder / route.__name__)


def files_open_on_jax(models: Mapping[str, keras.Model], images, folder: Path) -> None:
    """Files that TensorFlow writes here are opened by a process on JAX: one for all, as its start takes long."""
    pytest.importorskip("jax")
    np.save(folder / "images.npy", images)
    for case, model in models.items():
        model.save(folder / f"{case}.keras")
    run = subprocess.run(
        [sys.executable, "-c", OPEN_ON_JAX, str(folder), json.dumps(list(models))],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert json.loads(run.stdout.splitlines()[-1]) == {case: len(model.variables) for case, model in models.items()}
    for case, model in models.items():
        expected = outputs(model, images)
        error = np.abs(np.load(folder / f"{case}.npy") - expected).max()
        assert error <= 1e-4 * min(1, np.abs(expected).max()), case
