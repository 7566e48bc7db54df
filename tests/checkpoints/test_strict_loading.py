"""Weights load by name, all or none, and one error tells all that is wrong."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from keras import ops

from recurzoo.checkpoints.weights import build_to_fit, read_weights, write_weights


def _load(build, path):
    """As `recurzoo.load` does."""
    return build_to_fit(build, read_weights(path))


def _copy(model):
    return [ops.convert_to_numpy(v) for v in model.weights]


def test_missing_unexpected_and_misshapen_in_one_error(tiny, folder, tmp_path):
    import h5py

    path = tmp_path / "damaged.weights.h5"
    shutil.copy(folder / "model.weights.h5", path)
    with h5py.File(path, "a") as file:
        places = {}
        file.visititems(
            lambda name, item: places.update({item.attrs["path"]: name}) if isinstance(item, h5py.Dataset) else None
        )
        del file[places["stage_2/bank/coefficients"]]
        del file[places["stem/kernel"]]
        file[places["stem/kernel"]] = np.zeros((5, 5, 3, 16))
        file[places["stem/kernel"]].attrs["path"] = "stem/kernel"
        file["elsewhere"] = np.zeros(3)
        file["elsewhere"].attrs["path"] = "tail/kernel"
    before = _copy(tiny)
    with pytest.raises(ValueError, match="none were loaded") as error:
        _load(lambda: tiny, path)
    assert "missing: stage_2/bank/coefficients" in str(error.value)
    assert "unexpected: tail/kernel" in str(error.value)
    assert "stem/kernel is (5, 5, 3, 16), not (3, 3, 3, 16)" in str(error.value)
    for old, new in zip(before, _copy(tiny), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_deeper_network_does_not_load_into_a_shallower_one(tmp_path):
    """What Keras' own `load_weights` lets pass in silence."""
    import keras

    def network(depth):
        layers = [keras.layers.Dense(4, name=f"dense_{i}") for i in range(depth)]
        return keras.Sequential([keras.Input((4,)), *layers], name="net")

    write_weights(network(3), tmp_path / "three.weights.h5")
    with pytest.raises(ValueError, match="unexpected: net/dense_2/bias, net/dense_2/kernel"):
        _load(lambda: network(2), tmp_path / "three.weights.h5")
    with pytest.raises(ValueError, match="missing: net/dense_3/bias, net/dense_3/kernel"):
        _load(lambda: network(4), tmp_path / "three.weights.h5")


def test_what_is_not_ours_is_refused(tiny, tmp_path):
    tiny.save_weights(tmp_path / "keras.weights.h5")
    with pytest.raises(ValueError, match=r"recurzoo\.save did not write"):
        _load(lambda: tiny, tmp_path / "keras.weights.h5")
    (tmp_path / "text.weights.h5").write_text("hello")
    with pytest.raises(ValueError, match="no file of weights"):
        _load(lambda: tiny, tmp_path / "text.weights.h5")


def test_weights_of_one_path_are_refused(tmp_path):
    import keras

    def half():
        image = keras.Input((4,))
        return keras.Model(image, keras.layers.Dense(4, name="same")(image))

    image = keras.Input((4,))
    model = keras.Model(image, half()(half()(image)))
    with pytest.raises(ValueError, match="same/kernel"):
        write_weights(model, tmp_path / "x.weights.h5")


def test_a_stage_of_bottlenecks_keeps_its_shortcut(randomize, tmp_path):
    import keras

    from recurzoo.layers import BottleneckBlock, Stage
    from recurzoo.sharing import tied, untied

    def network():
        image = keras.Input((8, 8, 4))
        stage = Stage(BottleneckBlock(8, 2, bias="per_step"), 3, (untied(2), tied(3), untied(3)), strides=2, name="s")
        return keras.Model(image, stage(image))

    model = randomize(network())
    write_weights(model, tmp_path / "x.weights.h5")
    other = _load(network, tmp_path / "x.weights.h5")
    for old, new in zip(_copy(model), _copy(other), strict=True):
        np.testing.assert_array_equal(old, new)
