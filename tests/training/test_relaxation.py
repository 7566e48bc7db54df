"""The pull's way through a run, what is logged of relaxed kernels, and what a run leaves of them."""

import csv

import keras
import numpy as np
import pytest

import recurzoo
from recurzoo.catalog.recipe import Recipe, load_recipe
from recurzoo.checkpoints.folder import read_record
from recurzoo.models import SWRN, RelaxedResNet
from recurzoo.sharing import tied
from recurzoo.training.relaxation import (
    ExponentialPull,
    PullOnSuccess,
    make_pull_callbacks,
    relaxation_columns,
    relaxed_banks,
    set_pull,
)
from recurzoo.training.run import train
from tests.data.test_sets import write_folder

CHANGES = [
    "architecture=resnet-18-relaxed-middle",
    "dataset=pets",
    "image_size=8",
    "batch_size=3",
    "epochs=3",
    "precision=float32",
    "augmentation.crop=0",
]


@pytest.fixture(scope="module")
def model():
    return RelaxedResNet((1, 3, 1), "relaxed", "middle", num_classes=2, input_shape=(8, 8, 3))


def pulls(callback, model, epochs, errors=None):
    callback.set_model(model)
    seen = []
    for epoch in range(epochs):
        callback.on_epoch_begin(epoch)
        seen.append(float(relaxed_banks(model)[0].pull))
        callback.on_epoch_end(epoch, {"accuracy": 1 - errors[epoch]} if errors else {})
    return seen


def test_the_exponential_pull_goes_from_start_to_end(model):
    seen = pulls(ExponentialPull(7), model, 7)
    assert seen == pytest.approx([1e-4 * 1000 ** (epoch / 6) for epoch in range(7)], rel=1e-5)
    assert pulls(ExponentialPull(1, start=0.5), model, 1) == pytest.approx([0.5])


def test_the_neural_gpus_rule_raises_the_pull_when_the_error_is_under_a_bound(model):
    seen = pulls(PullOnSuccess(0.2, start=0.01, end=0.0135), model, 5, errors=[0.3, 0.1, 0.25, 0.19, 0.1])
    assert seen == pytest.approx([0.01, 0.01, 0.012, 0.012, 0.0135], rel=1e-5)
    with pytest.raises(ValueError, match="metrics="):
        PullOnSuccess(0.2).on_epoch_end(0, {"loss": 1.0})


def test_fit_follows_the_schedule(model):
    class Seen(keras.callbacks.Callback):
        values = ()

        def on_epoch_end(self, epoch, logs=None):
            self.values += (float(relaxed_banks(self.model)[0].pull),)

    seen = Seen()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    images, labels = np.zeros((4, 8, 8, 3), "uint8"), np.array([0, 1, 0, 1])
    model.fit(images, labels, epochs=3, batch_size=4, verbose=0, callbacks=[ExponentialPull(3, 0.1, 10.0), seen])
    assert seen.values == pytest.approx((0.1, 1.0, 10.0), rel=1e-5)


def test_the_largest_angle_of_each_set_is_logged(model):
    banks = dict(zip(("conv1", "conv2"), model.get_layer("level_2").banks, strict=True))
    kernels = np.zeros(banks["conv1"].templates.shape, "float32")
    # Two equal ones and one at a right angle to them: the mean is (2, 1) / 3.
    kernels[:2, 0, 0, 0, 0] = kernels[2, 0, 0, 0, 1] = 1
    banks["conv1"].templates.assign(kernels)
    banks["conv2"].templates.assign(np.ones(kernels.shape))
    set_pull(model, 0.25)
    columns = relaxation_columns(model)
    assert list(columns) == ["pull", "angle_level_2_conv1", "angle_level_2_conv2"]
    assert columns["pull"] == 0.25
    assert columns["angle_level_2_conv1"] == pytest.approx(np.degrees(np.arctan(2)), abs=1e-4)
    assert columns["angle_level_2_conv2"] == pytest.approx(0, abs=1e-3)


def test_which_callback_a_recipe_needs(model):
    def recipe(**settings):
        return Recipe(name="r", architecture="a", dataset="d", epochs=9, **settings)

    (default,) = make_pull_callbacks(recipe(), model)
    assert (type(default), default.epochs, default.start, default.end) == (ExponentialPull, 9, 1e-4, 1e-1)
    (rule,) = make_pull_callbacks(recipe(pull={"kind": "success", "bound": 0.3}), model)
    assert (type(rule), rule.bound, rule.factor) == (PullOnSuccess, 0.3, 1.2)
    plain = SWRN(10, 1, None, input_shape=(8, 8, 3))
    assert make_pull_callbacks(recipe(), plain) == []
    assert relaxation_columns(plain) == {}
    with pytest.raises(ValueError, match="no relaxed bank"):
        make_pull_callbacks(recipe(pull={"kind": "exponential"}), plain)


def test_the_papers_recipes():
    recipe = load_recipe("resnet-110-relaxed-all.cifar10.paper")
    assert (recipe.epochs, recipe.batch_size, recipe.schedule.epochs, recipe.schedule.factor) == (
        500,
        128,
        (250, 375),
        0.1,
    )
    assert (recipe.optimizer.learning_rate, recipe.optimizer.momentum, recipe.optimizer.weight_decay) == (
        0.1,
        0.9,
        1e-4,
    )
    assert recipe.augmentation.model_dump(exclude_defaults=True) == {"flip": True}
    assert (recipe.pull.kind, recipe.pull.start, recipe.pull.end) == ("exponential", 1e-4, 1e-1)
    assert load_recipe("resnet-110-raw-all.cifar10.paper").pull is None


class StopAfter(keras.callbacks.Callback):
    """Ends a run as a crash would, once an epoch is stored."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise KeyboardInterrupt


@pytest.mark.parametrize("kind", ["exponential", "success"])
def test_a_run_is_resumed_and_leaves_the_consolidated_form(kind, tmp_path):
    data = str(write_folder(tmp_path / "pets"))
    settings = [f"pull.kind={kind}", "pull.start=0.02", "pull.end=0.08"]
    settings += ["pull.bound=1.0", "pull.factor=2.0"] if kind == "success" else []
    recipe = load_recipe("resnet-24-relaxed-all.cifar10.cpu", [*CHANGES, *settings])
    with pytest.raises(KeyboardInterrupt):
        train(recipe, data, tmp_path / "run", callbacks=[StopAfter(1)])
    result = train(recipe, data, tmp_path / "run", resume=True)

    rows = list(csv.DictReader((tmp_path / "run" / "training.csv").open()))
    # At the end of each epoch.
    expected = [0.02, 0.04, 0.08] if kind == "exponential" else [0.04, 0.08, 0.08]
    assert [float(row["pull"]) for row in rows] == pytest.approx(expected, rel=1e-4)
    assert all(float(row["angle_level_2_conv1"]) > 0 for row in rows)

    record = read_record(result.folder)
    loaded = recurzoo.load(result.folder)
    assert record.architecture == "resnet-18-relaxed-middle"
    assert [bank.sharing for bank in loaded.get_layer("level_2").banks] == [tied(2), tied(2)]
    assert record.sharing == "hard: level_2 has 2 times 1 kernel for 2 convolutions"
    scores = {(score.metric, score.model): score.value for score in record.scores}
    assert 0 <= scores["accuracy", "relaxed"] <= 1
    assert scores["angle", "relaxed"] == pytest.approx(
        max(float(rows[-1][f"angle_level_2_conv{i}"]) for i in (1, 2)), rel=1e-3
    )
    assert record.scores == result.scores
    assert record.headline.value == scores["accuracy", None]
