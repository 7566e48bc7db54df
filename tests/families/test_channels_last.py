"""Our models are channels-last, whatever Keras' own setting is."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.support.families import MEMBERS, images_for, train_a_step


@pytest.fixture
def _channels_first():
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format(before)


@pytest.fixture
def expected(randomize):
    """Weights and outputs of each family's member, made before the setting changes."""
    found = {}
    for name, make in MEMBERS.items():
        model = randomize(make())
        outputs = ops.convert_to_numpy(model(images_for(model), training=False))
        found[name] = (model.get_weights(), outputs)
    return found


@pytest.mark.tensorflow
def test_every_family_computes_trains_and_is_saved_the_same(expected, tmp_path, request):
    request.getfixturevalue("_channels_first")
    for name, make in MEMBERS.items():
        weights, outputs = expected[name]
        model = make()
        images = images_for(model)
        model.set_weights(weights)
        tolerance = {"rtol": 1e-4, "atol": 1e-4 * np.abs(outputs).max(), "err_msg": name}
        np.testing.assert_allclose(model(images, training=False), outputs, **tolerance)
        looped = model.with_architecture(unroll=False)
        looped.set_weights(weights)
        np.testing.assert_allclose(looped(images, training=False), outputs, **tolerance)
        model.save(tmp_path / f"{name}.keras")
        loaded = keras.saving.load_model(tmp_path / f"{name}.keras")
        np.testing.assert_allclose(loaded(images, training=False), outputs, **tolerance)
        assert np.isfinite(train_a_step(loaded, images))
