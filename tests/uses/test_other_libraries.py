"""Networks and exported files in other libraries: OpenVINO, KerasTuner and pydot are no dependencies of ours."""

from __future__ import annotations

import multiprocessing

import keras
import numpy as np
import pytest

import recurzoo
from tests.support.families import images_for, train_a_step
from tests.support.networks import make
from tests.uses.test_table import MODELS, ONE_EACH, assert_same, outputs

pytestmark = [pytest.mark.others, pytest.mark.tensorflow]


def predict_by_file(path):
    model = keras.saving.load_model(path)
    return outputs(model, images_for(model))


def test_another_process(tmp_path):
    paths, expected = [], []
    for name, build in MODELS.items():
        model = build()
        train_a_step(model, images_for(model))
        model.save(tmp_path / f"{name}.keras")
        paths.append(tmp_path / f"{name}.keras")
        expected.append(outputs(model, images_for(model)))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for found, logits in zip(pool.map(predict_by_file, paths), expected, strict=True):
            np.testing.assert_allclose(found, logits, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_joblib(name, tmp_path):
    joblib = pytest.importorskip("joblib")
    model = MODELS[name]()
    joblib.dump(model, tmp_path / "model.joblib")
    assert_same(joblib.load(tmp_path / "model.joblib"), model, images_for(model))


@pytest.mark.parametrize("name", MODELS)
def test_a_drawing_has_every_layer(name):
    pytest.importorskip("pydot")
    model = MODELS[name]()
    text = keras.utils.model_to_dot(model, show_shapes=True, show_layer_names=True, expand_nested=True).to_string()
    for layer in model.layers:
        assert layer.name in text


@pytest.mark.parametrize("make_model", ["create", "load"])
def test_keras_tuner(make_model, tmp_path):
    tuner = pytest.importorskip("keras_tuner")
    recurzoo.save(make("swrn"), tmp_path / "net")
    built = []

    def build(choices):
        if make_model == "create":
            depth = choices.Choice("depth", [16, 22])
            model = recurzoo.create(f"swrn-{depth}-1-2", num_classes=3, input_shape=(8, 8, 3))
        else:
            model = recurzoo.load(tmp_path / "net", num_classes=3)
            recurzoo.freeze(model)
        built.append(model)
        rate = choices.Float("rate", 1e-3, 1e-1, sampling="log")
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(rate), loss, metrics=["accuracy"])
        return model

    search = tuner.RandomSearch(build, "val_accuracy", max_trials=2, seed=0, directory=tmp_path, project_name="search")
    pixels, labels = images_for(make("swrn"), 8), np.arange(8) % 3
    search.search(pixels, labels, validation_data=(pixels, labels), epochs=1, verbose=0)
    best = search.get_best_models()[0]
    assert np.isfinite(outputs(best, pixels)).all()
    assert type(best) is type(built[0])


@pytest.mark.parametrize("int8", [False, True], ids=["float32", "int8"])
@pytest.mark.parametrize("format", ["onnx", "litert"])
@pytest.mark.parametrize("name", ONE_EACH)
def test_openvino(name, format, int8, tmp_path, randomize):
    openvino = pytest.importorskip("openvino")
    model = randomize(ONE_EACH[name]())
    images = images_for(model, 16).astype("float32")
    path = tmp_path / f"net.{format.replace('litert', 'tflite')}"
    recurzoo.export(model, path, format=format, int8=images if int8 else None)
    network = openvino.Core().read_model(path)
    network.reshape(images.shape)
    # In float32, whatever this processor does faster.
    compiled = openvino.Core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    expected = outputs(model, images)
    found = next(iter(compiled(images).values()))
    if int8:
        assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.98
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("name", ONE_EACH)
def test_onnx(name, tmp_path, randomize):
    """The checker with everything that it checks, and ONNX Runtime's own quantization of the file."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from onnxruntime import InferenceSession, quantization

    model = randomize(ONE_EACH[name]())
    path = tmp_path / "net.onnx"
    recurzoo.export(model, path, format="onnx")
    onnx.checker.check_model(path, full_check=True)
    images = images_for(model, 32).astype("float32")

    class Reader(quantization.CalibrationDataReader):
        batches = iter([{"images": images}])

        def get_next(self):
            return next(self.batches, None)

    small = tmp_path / "int8.onnx"
    quantization.quantize_static(path, small, Reader(), per_channel=True)
    found = InferenceSession(small, providers=["CPUExecutionProvider"]).run(None, {"images": images})[0]
    expected = outputs(model, images)
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.98
    # A shared kernel is still there once.
    assert small.stat().st_size < path.stat().st_size + 50_000
