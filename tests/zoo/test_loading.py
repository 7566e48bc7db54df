"""From names to models; what each way of loading keeps, and what then learns."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from keras import ops

import recurzoo
from recurzoo.base.errors import MissingWeightsError, UnknownNameError
from recurzoo.results.verify import verify


@pytest.fixture
def zoo(folder, tmp_path, monkeypatch):
    """A zoo whose only checkpoint is the small one."""
    monkeypatch.setattr("recurzoo.zoo.finding.PACKAGE", tmp_path / "recurzoo")
    (tmp_path / "weights").mkdir()
    change_record(folder, name="swrn-16-1-2.cifar10")
    shutil.copytree(folder, tmp_path / "weights" / "swrn-16-1-2.cifar10")
    monkeypatch.setenv("RECURZOO_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


def change_record(folder, **changes):
    record = json.loads((folder / "record.json").read_text())
    (folder / "record.json").write_text(json.dumps(record | changes))


@pytest.mark.parametrize("name", ["swrn-16-1-2", "swrn-16-1-2.cifar10"])
def test_by_name(zoo, name, tiny, images, outputs):
    np.testing.assert_allclose(outputs(recurzoo.load(name), images), outputs(tiny, images), rtol=1e-5, atol=1e-5)


def test_what_there_is_is_listed(zoo):
    assert recurzoo.list_models(pretrained=True) == ["swrn-16-1-2"]
    assert "swrn-16-1-2" not in recurzoo.list_models(pretrained=False)
    assert recurzoo.list_models("swrn-*.*") == ["swrn-16-1-2.cifar10"]
    told = recurzoo.info("swrn-16-1-2")
    assert told.weights == ("swrn-16-1-2.cifar10",)
    assert told.parameters == 175078 - 5 * 65
    assert recurzoo.info(zoo / "swrn-16-1-2.cifar10").parameters == told.parameters


def test_a_folder_of_another_name_is_no_checkpoint_of_the_zoo(zoo):
    shutil.copytree(zoo / "swrn-16-1-2.cifar10", zoo / "my.folded")
    assert recurzoo.list_models("*.*") == ["swrn-16-1-2.cifar10"]
    assert recurzoo.list_models(pretrained=True) == ["swrn-16-1-2"]
    assert recurzoo.load(zoo / "my.folded").output_shape == (None, 5)


def test_a_name_goes_before_a_folder_of_that_name(zoo, monkeypatch, tmp_path):
    (tmp_path / "swrn-16-1-2").mkdir()
    monkeypatch.chdir(tmp_path)
    recurzoo.load("swrn-16-1-2")
    with pytest.raises(FileNotFoundError, match=r"record\.json"):
        recurzoo.load("./swrn-16-1-2")
    assert recurzoo.load("tiny").output_shape == (None, 5)


@pytest.mark.parametrize("changes", [{"name": "swrn-16-1-2.other"}, {"architecture": "swrn-16-1-1"}])
def test_a_name_loads_no_other_checkpoint(zoo, changes):
    """A folder whose name says one thing and whose record another."""
    change_record(zoo / "swrn-16-1-2.cifar10", **changes)
    with pytest.raises(ValueError, match="another checkpoint than its name says"):
        recurzoo.load("swrn-16-1-2")
    assert verify().failed


def test_a_name_loads_no_other_architecture(zoo, folder):
    """Name and record agree, and the config is another one that the record vouches for."""
    other = recurzoo.save(recurzoo.create("swrn-16-1-1", input_shape=(8, 8, 3)), folder.parent / "other")
    shipped = zoo / "swrn-16-1-2.cifar10"
    for name in other.files:
        shutil.copy(folder.parent / "other" / name, shipped)
    files = json.loads((folder.parent / "other" / "record.json").read_text())["files"]
    change_record(shipped, files=files)
    with pytest.raises(ValueError, match=r"config of 'swrn-16-1-1' with a record of 'swrn-16-1-2'"):
        recurzoo.load("swrn-16-1-2")
    assert verify().failed


def test_many_threads_load_at_once(folder, tiny, images, outputs):
    with ThreadPoolExecutor(8) as pool:
        models = list(pool.map(lambda _: recurzoo.load(folder), range(24)))
    for model in models:
        np.testing.assert_allclose(outputs(model, images), outputs(tiny, images), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "error", "told"),
    [
        ("swrn-28-10-2", MissingWeightsError, r'recurzoo\.create\("swrn-28-10-2"\).*recurzoo train swrn-28-10-2\.'),
        ("swrn-16-1-2.other", MissingWeightsError, r"load swrn-16-1-2\.cifar10"),
        ("swrn-16-1-3", UnknownNameError, "1 to 2 templates"),
        ("swrn_16_1_2", UnknownNameError, "did you mean swrn-16-1-2"),
        ("swrn-16-1-" + "9" * 5000, UnknownNameError, "at most 100 characters"),
        ("swrn-16-1-2." + "x" * 5000, MissingWeightsError, r"load swrn-16-1-2\.cifar10"),
        ("/nowhere/at/all", FileNotFoundError, r"record\.json"),
        ("hf://user", ValueError, "hf://user"),
    ],
)
def test_what_is_not_there_says_what_to_do(zoo, name, error, told):
    with pytest.raises(error, match=told):
        recurzoo.load(name)


def test_create_takes_what_the_name_leaves_open():
    model = recurzoo.create("swrn-16-1-2", num_classes=100, dropout=0.3)
    assert model.output_shape == (None, 100)
    with pytest.raises(ValueError, match="already says depth"):
        recurzoo.create("swrn-16-1-2", depth=22)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"dropuot": 0.3}, r"dropuot for 'swrn-16-1-1'; .* leaves open are .*mean, .*dropout, "),
        ({"input_shape": 8}, "'input_shape': 8"),
        ({"std": 3}, "'std': 3"),
    ],
)
def test_create_refuses_what_does_not_fit_in_a_sentence(arguments, told):
    with pytest.raises(ValueError, match=told) as error:
        recurzoo.create("swrn-16-1-1", **arguments)
    assert "Received" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "arguments", [{"include_top": False, "num_classes": 3}, {"pooling": "avg"}, {"num_classes": 3, "pooling": "avg"}]
)
def test_arguments_that_contradict(folder, arguments):
    with pytest.raises(ValueError, match="Received"):
        recurzoo.load(folder, **arguments)


def test_a_new_head_is_new_and_says_so(folder, tiny, caplog):
    model = recurzoo.load(folder, num_classes=5)
    assert "new and untrained: 5 classes" in caplog.text
    old, new = tiny.get_layer("head").kernel, model.get_layer("head").kernel
    assert not np.allclose(ops.convert_to_numpy(old), ops.convert_to_numpy(new))
    assert not ops.convert_to_numpy(model.get_layer("head").bias).any()
    assert _changed(tiny, model) == {"head/kernel", "head/bias"}


def test_only_the_head_may_differ(folder):
    with pytest.raises(ValueError, match="3 channels"):
        recurzoo.load(folder, num_classes=3, input_shape=(8, 8, 1))


def test_a_feature_extractor_is_the_body(folder, tiny, images, outputs):
    features = outputs(recurzoo.load(folder, include_top=False, pooling="avg"), images)
    maps = outputs(recurzoo.load(folder, include_top=False), images)
    assert maps.shape == (6, 2, 2, 64)
    np.testing.assert_allclose(features, maps.mean(axis=(1, 2)), rtol=1e-4, atol=1e-5)
    head = tiny.get_layer("head")
    logits = features @ ops.convert_to_numpy(head.kernel) + ops.convert_to_numpy(head.bias)
    np.testing.assert_allclose(logits, outputs(tiny, images), rtol=1e-4, atol=1e-4)


def test_a_saved_feature_extractor_stays_one(folder, tmp_path, images, outputs):
    extractor = recurzoo.load(folder, include_top=False, pooling="max")
    recurzoo.save(extractor, tmp_path / "features")
    again = recurzoo.load(tmp_path / "features")
    np.testing.assert_allclose(outputs(again, images), outputs(extractor, images), rtol=1e-5, atol=1e-5)
    assert recurzoo.load(tmp_path / "features", num_classes=3).output_shape == (None, 3)


def test_a_new_head_learns_with_the_body(folder, tiny, images):
    model = recurzoo.load(folder, num_classes=3)
    before = _values(model)
    _train_one_step(model, images)
    assert _moved(before, model) == {v.path for v in model.weights}


def test_another_input_size_has_the_same_body_and_learns(folder, tiny, rng):
    model = recurzoo.load(folder, input_shape=(16, 12, 3))
    assert model.input_shape == (None, 16, 12, 3)
    assert _changed(tiny, model) == set()
    before = _values(model)
    _train_one_step(model, rng.uniform(0, 255, (6, 16, 12, 3)))
    assert _moved(before, model) == {v.path for v in model.weights}


def test_frozen_with_batch_norm_only_the_head_moves(folder, images):
    model = recurzoo.freeze(recurzoo.load(folder, num_classes=3))
    before = _values(model)
    _train_one_step(model, images)
    assert _moved(before, model) == {"head/kernel", "head/bias"}


def test_frozen_without_batch_norm_normalization_learns_too(folder, images):
    model = recurzoo.freeze(recurzoo.load(folder, num_classes=3), batch_norm=False)
    before = _values(model)
    _train_one_step(model, images)
    normalization = ("gamma", "beta", "moving_mean", "moving_variance")
    learning = {v.path for v in model.weights if v.path.endswith(normalization)}
    assert _moved(before, model) == learning | {"head/kernel", "head/bias"}


def test_a_frozen_body_under_another_head(folder, images):
    body = recurzoo.freeze(recurzoo.load(folder, include_top=False, pooling="avg"))
    model = keras.Sequential([body, keras.layers.Dense(3, name="mine")])
    model.build((None, 8, 8, 3))
    before = _values(model)
    _train_one_step(model, images)
    assert {path.split("/")[-2] for path in _moved(before, model)} == {"mine"}


def test_freezing_reaches_biases_and_shortcuts(images, randomize):
    """What a stage owns beside its banks."""
    from recurzoo.layers import BottleneckBlock
    from recurzoo.models import ZooModel
    from recurzoo.sharing import untied

    class Small(ZooModel):
        def __init__(self, **kwargs):
            x = self.begin((8, 8, 3), **kwargs)
            x = self.stage(BottleneckBlock(8, 4, bias="per_step"), 1, untied(1), "s", strides=2)(x)
            self.finish(x, 3)

    model = recurzoo.freeze(randomize(Small()), batch_norm=False)
    trainable = {v.path.split("/")[-1] for v in model.trainable_variables if not v.path.startswith("head")}
    assert trainable == {"gamma", "beta"}
    assert not recurzoo.freeze(model).get_layer("s").trainable_variables
    with pytest.raises(ValueError, match="Sequential"):
        recurzoo.freeze(keras.Sequential([model]))


def _values(model):
    return {v.path: ops.convert_to_numpy(v).copy() for v in model.weights}


def _moved(before, model):
    return {path for path, value in _values(model).items() if not np.array_equal(value, before[path])}


def _changed(one, other):
    return {
        path
        for path, value in _values(other).items()
        if value.shape != _values(one)[path].shape or not np.array_equal(value, _values(one)[path])
    }


def _train_one_step(model, images):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss, run_eagerly=True)
    model.train_on_batch(images, np.arange(len(images)) % 3)
