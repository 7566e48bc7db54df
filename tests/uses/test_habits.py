"""Words and values that users of Keras are used to."""

import logging
import subprocess
import sys

import keras
import numpy as np
import pytest

import recurzoo
from recurzoo.models import FRNN
from tests.support.families import images_for
from tests.support.networks import make


def told(caplog):
    """What we log: TensorFlow warns of its own, depending on what ran before."""
    return [record for record in caplog.records if record.name == "recurzoo"]


def test_two_networks_of_one_kind_stand_in_one_model(tmp_path):
    recurzoo.save(make("swrn"), tmp_path / "net")
    first = recurzoo.load(tmp_path / "net", name="first")
    second = recurzoo.create("swrn-16-1-2", name="second", num_classes=np.int64(5), input_shape=(np.int32(8), 8, 3))
    assert (first.name, second.name, second.output_shape) == ("first", "second", (None, 5))
    images = keras.Input((8, 8, 3))
    ensemble = keras.Model(images, keras.layers.Average()([first(images), second(images)]))
    ensemble.save(tmp_path / "ensemble.keras")
    loaded = keras.saving.load_model(tmp_path / "ensemble.keras")
    pixels = images_for(first)
    np.testing.assert_allclose(loaded(pixels), ensemble(pixels), atol=1e-5)
    assert recurzoo.load(tmp_path / "net", num_classes=np.int64(7)).output_shape == (None, 7)


def test_class_names_need_no_record(tmp_path):
    names = ["cat", "dog", "eel", "fox", "gnu"]
    assert recurzoo.save(make("swrn"), tmp_path / "net", class_names=names).class_names == tuple(names)
    with pytest.raises(ValueError, match="3"):
        recurzoo.save(make("swrn"), tmp_path / "other", class_names=names[:3])
    assert not (tmp_path / "other").exists()


def test_pixels_that_are_no_numbers_reach_no_statistics():
    model = make("swrn")
    before = model.get_weights()
    with pytest.raises(ValueError, match="NaN"):
        recurzoo.reestimate_batch_norm(model, np.full((4, 8, 8, 3), np.nan, "float32"))
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_an_export_is_named_as_what_it_is(tmp_path):
    with pytest.raises(ValueError, match="tflite"):
        recurzoo.export(make("rc"), tmp_path / "net.tflite", format="onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("imports", "printed"),
    [
        ("import_after('first', 'second'); print('between'); import first", ["between", "registered"]),
        ("import first; import_after('first', 'second'); print('between')", ["registered", "between"]),
    ],
)
def test_classes_are_registered_once_keras_and_the_zoo_are_imported(imports, printed, tmp_path):
    # Small modules in place of Keras and of ours.
    (tmp_path / "first.py").write_text("there = True")
    (tmp_path / "second.py").write_text("import first; assert first.there; print('registered')")
    script = f"from recurzoo.base.environment import import_after; {imports}"
    run = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout.split() == printed


def test_pixels_on_another_scale_are_warned_of(caplog):
    model = make("rc")
    images = images_for(model)
    model.compile("sgd", "mse")
    targets = np.zeros((len(images), *model.output_shape[1:]))
    uses = [model, model.predict, lambda x: model.fit(x, targets, verbose=0), lambda x: model.evaluate(x, targets)]
    for use in uses:
        for right in (images, images.astype("float32"), images / 2.0 * 0):
            use(right)
        assert not told(caplog)
        for wrong in (images / 255, images / 127.5 - 1):
            use(wrong)
            assert [record.levelno for record in told(caplog)] == [logging.WARNING]
            assert model.name in caplog.text
            caplog.clear()


def test_a_batch_of_no_images_is_refused():
    model = make("rc")
    for use in (model, model.predict):
        with pytest.raises(ValueError, match=r"\(0, 8, 8, 3\)"):
            use(images_for(model)[:0])


def test_images_of_a_size_that_shows_only_when_called():
    model = FRNN(((8, 4), (4, 6)), readout=3, input_shape=(None, None, 3))
    assert model(np.zeros((1, 8, 12, 3)), training=False).shape == (1, 10)
    with pytest.raises(ValueError, match="divide by"):
        model(np.zeros((1, 9, 9, 3)))


@pytest.mark.tensorflow
def test_exports_of_keras_point_to_ours(tmp_path, caplog):
    model = make("rc")
    model.export(tmp_path / "saved", verbose=False)
    assert not told(caplog)
    model.export(tmp_path / "net.tflite", format="litert", verbose=False)
    assert "recurzoo.export(" in caplog.text
