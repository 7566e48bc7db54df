"""Weights load by path, all or none. Their file is read here by its description: a length, a header, bytes."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops
from safetensors.numpy import load_file, save_file

import recurzoo
from recurzoo.checkpoints.weights import build_to_fit, open_weights, write_weights
from recurzoo.families.deferring import MOST_VARIABLES, deferred_weights

SHIPPED = sorted((Path(__file__).parents[2] / "weights").glob("*/model.safetensors"))
TYPES = {"F32": "<f4", "F16": "<f2"}


def read(path):
    content = path.read_bytes()
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8 : 8 + length])
    metadata = header.pop("__metadata__")
    data = content[8 + length :]
    arrays = {
        name: np.frombuffer(data[slice(*entry["data_offsets"])], TYPES[entry["dtype"]]).reshape(entry["shape"])
        for name, entry in header.items()
    }
    return metadata, arrays


def load(build, path):
    """As `recurzoo.load` does."""
    with open_weights(path) as tensors:
        return build_to_fit(build, tensors)


def values(model):
    return {v.path: ops.convert_to_numpy(v) for v in model.weights}


def dense(depth):
    layers = [keras.layers.Dense(4, name=f"dense_{i}") for i in range(depth)]
    return keras.Sequential([keras.Input((4,)), *layers], name="net")


def test_the_file_holds_each_weight_by_its_path(tiny, tmp_path):
    write_weights(tiny, tmp_path / "x.safetensors", "swrn-16-1-2")
    metadata, arrays = read(tmp_path / "x.safetensors")
    assert metadata == {"architecture": "swrn-16-1-2"}
    assert arrays.keys() == values(tiny).keys()
    for path, value in values(tiny).items():
        np.testing.assert_array_equal(arrays[path], value)


def test_large_kernels_are_stored_in_half_precision(randomize, tmp_path):
    model = randomize(recurzoo.create("swrn-16-4-2", input_shape=(8, 8, 3)))
    recurzoo.save(model, tmp_path / "x")
    _, arrays = read(tmp_path / "x" / "model.safetensors")
    half = {path for path, array in arrays.items() if array.dtype == "float16"}
    # Kernels of 3*3*128*256, 3*3*256*256 and two of 3*3*256*256 and 3*3*128*128 floats are over a megabyte.
    assert half == {
        "stage_2/bank/templates",
        "stage_3_entry/conv1_bank/templates",
        "stage_3_entry/conv2_bank/templates",
        "stage_3/bank/templates",
    }
    loaded = recurzoo.load(tmp_path / "x")
    assert {variable.dtype for variable in loaded.weights} == {"float32"}
    for path, original in values(model).items():
        expected = original.astype("float16").astype("float32") if path in half else original
        np.testing.assert_array_equal(values(loaded)[path], expected)


def test_values_beyond_half_precision_stay_in_single(tmp_path):
    model = recurzoo.create("swrn-16-4-2", input_shape=(8, 8, 3))
    variable = model.get_layer("stage_3").banks[0].templates
    variable.assign(np.full(variable.shape, 1e6, "float32"))
    write_weights(model, tmp_path / "x.safetensors", "swrn-16-4-2")
    assert read(tmp_path / "x.safetensors")[1][variable.path].dtype == "float32"


def test_equal_weights_make_equal_files(folder, tmp_path):
    recurzoo.save(recurzoo.load(folder), tmp_path / "again")
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


def test_all_that_does_not_fit_is_in_one_error(tiny, tmp_path):
    write_weights(tiny, tmp_path / "x.safetensors", "x")
    arrays = load_file(tmp_path / "x.safetensors")
    del arrays["stage_2/bank/coefficients"]
    arrays |= {"stem/kernel": np.zeros((5, 5, 3, 16), "float32"), "tail/kernel\x1b[2J": np.zeros(3, "float32")}
    arrays["head/bias"] = arrays["head/bias"].astype("float64")
    arrays["head/kernel"] = arrays["head/kernel"].astype("int8")
    save_file(arrays, tmp_path / "x.safetensors")
    before = values(tiny)
    with pytest.raises(ValueError, match="none were loaded") as error:
        load(lambda: tiny, tmp_path / "x.safetensors")
    assert "missing: stage_2/bank/coefficients" in str(error.value)
    assert "unexpected: tail/kernel\\x1b[2J" in str(error.value)
    assert "stem/kernel is (5, 5, 3, 16), not (3, 3, 3, 16)" in str(error.value)
    assert "head/kernel is I8, head/bias is F64" in str(error.value)
    for path, value in values(tiny).items():
        np.testing.assert_array_equal(value, before[path])


def test_a_deeper_network_does_not_load_into_a_shallower_one(tmp_path):
    """What Keras' own `load_weights` lets pass in silence."""
    write_weights(dense(3), tmp_path / "x.safetensors", "x")
    with pytest.raises(ValueError, match="unexpected: net/dense_2/bias, net/dense_2/kernel"):
        load(lambda: dense(2), tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match="missing: net/dense_3/bias, net/dense_3/kernel"):
        load(lambda: dense(4), tmp_path / "x.safetensors")


def header(text):
    return struct.pack("<Q", len(text)) + text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"\xff" * 16,
        struct.pack("<Q", 90_000_000) + b"{" * 5_000_000,
        header(b"[]"),
        header(b'{"a": {"dtype": "F32", "shape": [1099511627776], "data_offsets": [0, 4398046511104]}}'),
        header(b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}') + bytes(4),
    ],
    ids=lambda content: repr(content[:12]),
)
def test_what_is_no_file_of_weights_is_refused(tmp_path, content):
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r"no file of weights.*x\.safetensors") as error:
        load(lambda: dense(2), tmp_path / "x.safetensors")
    assert len(str(error.value)) < 500


def test_weights_of_one_path_are_refused(tmp_path):
    def half():
        image = keras.Input((4,))
        return keras.Model(image, keras.layers.Dense(4, name="same")(image))

    image = keras.Input((4,))
    model = keras.Model(image, half()(half()(image)))
    with pytest.raises(ValueError, match="same/kernel"):
        write_weights(model, tmp_path / "x.safetensors", "x")


def test_a_stage_of_bottlenecks_keeps_its_shortcut(randomize, tmp_path):
    from recurzoo.layers import BottleneckBlock, Stage
    from recurzoo.sharing import tied, untied

    def network():
        image = keras.Input((8, 8, 4))
        stage = Stage(BottleneckBlock(8, 2, bias="per_step"), 3, (untied(2), tied(3), untied(3)), strides=2, name="s")
        return keras.Model(image, stage(image))

    model = randomize(network())
    write_weights(model, tmp_path / "x.safetensors", "x")
    other = values(load(network, tmp_path / "x.safetensors"))
    for path, value in values(model).items():
        np.testing.assert_array_equal(other[path], value)


def test_no_number_is_drawn_for_what_a_file_has(tiny, folder, monkeypatch):
    def draw(*_, **__):
        raise AssertionError("random numbers were drawn")

    for name in ("normal", "uniform", "truncated_normal"):
        monkeypatch.setattr(keras.random, name, draw)
    for name in ("RandomNormal", "Orthogonal", "VarianceScaling"):
        monkeypatch.setattr(getattr(keras.initializers, name), "__call__", draw)
    assert values(recurzoo.load(folder)).keys() == values(tiny).keys()
    with pytest.raises(AssertionError, match="were drawn"):
        recurzoo.load(folder, num_classes=3)


def test_deferred_weights_have_values_once_all_is_well():
    made = []

    def give_up(name):
        with deferred_weights():
            made.append(recurzoo.create(name, input_shape=(8, 8, 3)))
            raise KeyError

    with pytest.raises(KeyError):
        give_up("swrn-16-1-2")
    with deferred_weights():
        model = recurzoo.create("swrn-16-1-2", input_shape=(8, 8, 3))
        with pytest.raises(KeyError):
            give_up("rc-2-w4")
        with deferred_weights():
            inner = recurzoo.create("rc-2-w4", input_shape=(8, 8, 3))
    for network in (model, inner):
        assert all(np.isfinite(value).all() for value in values(network).values())
    # What was given up did not wait for the next scope.
    for network in made:
        assert all(variable._value is None for variable in network.weights)


def test_more_weights_than_any_network_has_are_not_made():
    def make(count, shape):
        with deferred_weights():
            return [keras.Variable("zeros", shape=shape) for _ in range(count)]

    assert len(make(MOST_VARIABLES, (1,))) == MOST_VARIABLES
    with pytest.raises(ValueError, match=f"at most {MOST_VARIABLES} weights"):
        make(MOST_VARIABLES + 1, (1,))
    with pytest.raises(ValueError, match=r"\(100000, 100000\)"):
        make(1, (100_000, 100_000))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.parent.name)
def test_every_shipped_kernel_is_alive(path):
    """Kernels begin about sqrt(2 * outputs) large (He et al., 2015); what only decay has moved is far smaller."""
    for name, value in load_file(path).items():
        if value.ndim >= 4:
            kernels = value.astype("float64").reshape(-1, *value.shape[-4:])
            sizes = np.sqrt(np.sum(np.square(kernels), axis=(1, 2, 3, 4)) / (2 * value.shape[-1]))
            assert sizes.min() > 0.1, name
