"""Words and values that users of Keras are used to."""

import keras
import numpy as np
import pytest

import recurzoo
from tests.support.families import images_for
from tests.support.networks import make


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
