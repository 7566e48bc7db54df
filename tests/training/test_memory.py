"""Less memory, the same training: gradients accumulated over parts of a batch, and steps computed a second time."""

import keras
import numpy as np
import pytest

from recurzoo.catalog.recipe import Recipe
from recurzoo.models import FRNN, RC, SWRN
from recurzoo.training.trainer import Trainer, make_trainer, train_epoch

SMALL = {"num_classes": 5, "input_shape": (8, 8, 3)}
LOSS = keras.losses.CategoricalCrossentropy(from_logits=True)


def train(network, **settings):
    """All weights, and the average's, after two epochs of three steps, and the losses."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (24, 8, 8, 3)).astype("uint8")
    targets = np.eye(5, dtype="float32")[rng.integers(0, 5, 24)]
    common = {"name": "x", "architecture": "x", "dataset": "x", "epochs": 2, "batch_size": 8, "image_size": 8}
    recipe = Recipe(**common, **settings)
    keras.utils.set_random_seed(0)
    network = network()
    trainer = make_trainer(recipe, network, images, [0, 0, 0], LOSS, lambda: [keras.metrics.CategoricalAccuracy()])
    losses = [train_epoch(trainer, recipe, targets, epoch)["loss"] for epoch in range(2)]
    found = [keras.ops.convert_to_numpy(weight) for weight in network.weights]
    if trainer.average is not None:
        trainer.average.copy_to(network)
        found += [keras.ops.convert_to_numpy(weight) for weight in network.weights]
    return [*found, np.array(losses)]


def test_a_step_is_traced_once(monkeypatch):
    """Whatever a step keeps is made before it, since TensorFlow traces a function that made variables a second time."""
    calls = []
    call = Trainer.call

    def counted(trainer, inputs, training=None):
        calls.append(training)
        return call(trainer, inputs, training)

    monkeypatch.setattr(Trainer, "call", counted)
    train(lambda: RC(1, 4, **SMALL), average={"last": 1.0, "decay": 0.9})
    assert calls.count(True) == 1


def assert_equal(found, wanted):
    for one, other in zip(found, wanted, strict=True):
        assert np.linalg.norm(one - other) <= 1e-4 * np.linalg.norm(other) + 1e-7


@pytest.mark.parametrize(
    "settings",
    [
        {
            "optimizer": {"learning_rate": 0.05, "weight_decay": 5e-4, "clip_value": 0.05},
            "schedule": {"kind": "cosine", "warmup": 0.3},
            "average": {"last": 0.5, "decay": 0.9},
        },
        pytest.param({"optimizer": {"kind": "adam"}, "schedule": {"kind": "linear"}}, marks=pytest.mark.slow),
    ],
    ids=["sgd", "adam"],
)
def test_a_batch_in_parts_is_the_whole_batch(settings):
    def network():
        # Its stem's normalization would see each part by itself.
        model = RC(2, 4, normalization="none", **SMALL)
        model.get_layer("stem_bn").trainable = False
        return model

    wanted = train(network, **settings)
    assert_equal(train(network, accumulate=2, **settings), wanted)


@pytest.mark.parametrize(
    "network",
    [
        lambda: SWRN(16, 1, 2, recurrence=0.01, **SMALL),
        pytest.param(lambda: RC(2, 4, **SMALL), marks=pytest.mark.slow),
        lambda: FRNN(((8, 4), (4, 8)), readout=3, prenet=1, **SMALL),
    ],
    ids=["swrn", "rc", "frnn"],
)
def test_steps_computed_twice_learn_the_same_once(network, monkeypatch):
    """Weights, through shared kernels too, and statistics; and each step really is."""
    settings = {"optimizer": {"learning_rate": 0.05, "weight_decay": 5e-4}}
    wanted = train(network, **settings)
    calls = []
    remat = keras.remat
    monkeypatch.setattr(keras, "remat", lambda function: calls.append(1) or remat(function))
    assert_equal(train(network, remat=True, **settings), wanted)
    assert calls


def test_what_drops_at_random_is_not_computed_twice():
    with pytest.raises(ValueError, match="dropout"):
        train(lambda: SWRN(16, 1, 2, dropout=0.3, **SMALL), remat=True)


def test_parts_are_equal():
    with pytest.raises(ValueError, match="accumulate=3"):
        train(lambda: RC(1, 4, **SMALL), accumulate=3)
