"""What is set on a model is kept by every way of saving, copying and rewriting it, as in a stock Functional model."""

import copy
import json
import pickle

import keras
import numpy as np
import pytest
from keras import ops

import recurzoo
from recurzoo.layers import Stage
from recurzoo.models import PreActivationResNet
from tests.support.families import MEMBERS, images_for, train_a_step
from tests.support.networks import make


def by_keras_file(model, folder):
    model.save(folder / "model.keras")
    return keras.saving.load_model(folder / "model.keras")


def by_checkpoint(model, folder):
    recurzoo.save(model, folder / "checkpoint")
    return recurzoo.load(folder / "checkpoint")


def by_pickle(model, folder):
    return pickle.loads(pickle.dumps(model))


def by_deepcopy(model, folder):
    return copy.deepcopy(model)


def by_config(model, folder):
    new = type(model).from_config(model.get_config())
    new.set_weights(model.get_weights())
    return new


WAYS = (by_keras_file, by_pickle, by_deepcopy, by_config)


def outputs(model, images):
    return ops.convert_to_numpy(model(images, training=False))


def learning(model):
    return [variable.path for variable in model.trainable_variables]


def assert_same(found, model, images):
    np.testing.assert_allclose(outputs(found, images), outputs(model, images), atol=1e-5)
    assert learning(found) == learning(model)


def normalizations(model):
    return [layer for layer in model._flatten_layers() if layer.name.startswith("bn") and not layer.trainable]


@pytest.mark.parametrize("family", MEMBERS)
def test_what_is_frozen_stays_frozen(family, tmp_path):
    model = recurzoo.freeze(MEMBERS[family]())
    loaded = by_keras_file(model, tmp_path)
    assert learning(loaded) == learning(model)
    before = loaded.get_weights()
    train_a_step(loaded, images_for(loaded))
    moved = [v.path for v, old in zip(loaded.weights, before, strict=True) if not np.array_equal(v, old)]
    assert set(moved) == set(learning(model))
    assert learning(recurzoo.unfreeze(loaded)) == learning(MEMBERS[family]())


@pytest.mark.parametrize("way", [*WAYS, by_checkpoint])
def test_frozen_parts_stay_frozen_by_every_way(way, tmp_path):
    model = PreActivationResNet(14, 1, width=4, input_shape=(8, 8, 3))
    recurzoo.freeze(model, batch_norm=False)
    model.get_layer("head").trainable = False
    model.stages[1].normalizations["bn1"].trainable = False
    found = way(model, tmp_path)
    assert learning(found) == learning(model)
    assert len(normalizations(found)) == len(normalizations(model)) == 1


def set_a_softmax(model):
    model.get_layer("head").activation = keras.activations.softmax


def set_a_regularizer(model):
    model.get_layer("head").kernel_regularizer = keras.regularizers.L2(0.1)


def set_momenta(model):
    model.get_layer("bn").momentum = 0.5
    model.stages[0].normalizations["bn1"].momentum = 0.25


def add_an_adapter(model):
    head = model.get_layer("head")
    head.enable_lora(2)
    head.lora_kernel_b.assign(np.ones(head.lora_kernel_b.shape))


def quantize(model):
    model.quantize("int8")


def nested_settings(model):
    stages = [[(n.momentum, n.trainable) for n in stage.normalizations.values()] for stage in model.stages]
    # By JSON, which has no tuples.
    return json.dumps([layer.get_config() for layer in model.layers]), stages


@pytest.mark.parametrize("change", [set_a_softmax, set_a_regularizer, set_momenta, add_an_adapter, quantize])
def test_what_was_set_is_kept_or_refused(change, tmp_path, randomize):
    model = randomize(make("swrn"))
    change(model)
    images = images_for(model)
    # A quantized model's weights are no list that another one of its kind takes in order.
    for way in WAYS[:2]:
        found = way(model, tmp_path)
        assert_same(found, model, images)
        assert nested_settings(found) == nested_settings(model)
        # And once more, from what was rebuilt.
        assert nested_settings(by_pickle(found, tmp_path)) == nested_settings(model)
    plain = recurzoo.materialize(model)
    np.testing.assert_allclose(outputs(plain, images), outputs(model, images), atol=1e-4)
    assert nested_settings(plain)[1] == nested_settings(model)[1]
    with pytest.raises(ValueError, match="as it is"):
        recurzoo.save(model, tmp_path / "checkpoint")
    assert not (tmp_path / "checkpoint").exists()


def test_what_a_stage_cannot_keep_is_refused(tmp_path):
    model = make("swrn")
    model.stages[1].banks[0].dtype_policy = "float16"
    with pytest.raises(ValueError, match="dtype"):
        model.save(tmp_path / "model.keras")


def test_freezing_anew_and_undone():
    model = make("swrn")
    everything = learning(model)
    recurzoo.freeze(model, batch_norm=False)
    only_kernels_stay = learning(model)
    assert 2 < len(only_kernels_stay) < len(everything)
    recurzoo.freeze(model)
    assert learning(model) == ["head/kernel", "head/bias"]
    assert learning(recurzoo.freeze(model, batch_norm=False)) == only_kernels_stay
    recurzoo.freeze(model)
    model.trainable = True
    assert learning(model) == everything
    model.trainable = False
    assert learning(recurzoo.unfreeze(model)) == everything


def test_a_frozen_stage_built_anew_stays_still(rng):
    stage = make("swrn").stages[1]
    stage.trainable = False
    for new in (Stage.from_config(stage.get_config()), Stage(stage.block, 1, stage.sharing, trainable=False)):
        if new.steps == 1:
            new = Stage.from_config({**stage.get_config(), "trainable": False})
        model = keras.Sequential([keras.Input((8, 8, 16)), new, keras.layers.GlobalAveragePooling2D()])
        before = new.get_weights()
        model.compile("sgd", "mse")
        assert not new.trainable_variables
        model.predict(rng.normal(size=(2, 8, 8, 16)), verbose=0)
        new(ops.convert_to_tensor(rng.normal(size=(2, 8, 8, 16)), "float32"), training=True)
        for old, now in zip(before, new.get_weights(), strict=True):
            np.testing.assert_array_equal(old, now)


def test_a_new_head_learns_on_a_frozen_body(tmp_path):
    model = make("rc")
    model.trainable = False
    recurzoo.save(model, tmp_path / "net")
    assert learning(recurzoo.load(tmp_path / "net")) == []
    assert learning(recurzoo.load(tmp_path / "net", num_classes=7)) == ["head/kernel", "head/bias"]


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float64"])
def test_precision_is_kept(policy, tmp_path):
    keras.config.set_dtype_policy(policy)
    try:
        model = make("swrn")
    finally:
        keras.config.set_dtype_policy("float32")
    for way in WAYS:
        found = way(model, tmp_path)
        assert [layer.dtype_policy.name for layer in found.layers] == [la.dtype_policy.name for la in model.layers]
        assert found.stages[0].dtype_policy.name == policy


def test_training_goes_on_with_its_optimizer(tmp_path):
    model = recurzoo.freeze(make("swrn"))
    images = images_for(model)
    model.compile(keras.optimizers.Adam(0.01), "mse")
    targets = np.ones((len(images), 5), "float32")
    model.fit(images, targets, verbose=0, callbacks=[keras.callbacks.ModelCheckpoint(tmp_path / "run.keras")])
    resumed = keras.saving.load_model(tmp_path / "run.keras")
    for old, new in zip(model.optimizer.variables, resumed.optimizer.variables, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(new), ops.convert_to_numpy(old))
    for one in (model, resumed):
        one.train_on_batch(images, targets)
    np.testing.assert_allclose(outputs(resumed, images), outputs(model, images), atol=1e-6)


def test_a_clone_is_rewritten_and_otherwise_refused_in_a_sentence(tmp_path):
    clone = keras.models.clone_model(make("swrn"))
    images = images_for(clone)
    for attempt in (recurzoo.freeze, lambda model: recurzoo.save(model, tmp_path / "x")):
        with pytest.raises(ValueError, match="deepcopy"):
            attempt(clone)
    np.testing.assert_allclose(outputs(recurzoo.materialize(clone), images), outputs(clone, images), atol=1e-4)
    assert recurzoo.fold(clone, 0).fold_report.layers_after < recurzoo.fold(clone, 1).fold_report.layers_after
