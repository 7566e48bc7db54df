"""The card tells the settings that were in force, as the training code has it, and no others."""

from __future__ import annotations

import json

import keras
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurzoo.catalog.recipe import load_recipe
from recurzoo.catalog.settings import Optimizer, Pull, Schedule
from recurzoo.checkpoints.record import Record
from recurzoo.training.optimizers import EpochSchedule, make_optimizer
from recurzoo.training.relaxation import make_pull_callbacks
from recurzoo.zoo.cards.training import training

NAME = "resnet-24-relaxed-all.cifar10"


def card(architecture="swrn-16-1-2", **recipe):
    record = {"name": "x.y", "architecture": architecture, "recipe_name": "mine", "recipe": recipe}
    return training(Record.from_dict(record))


def told(architecture="swrn-16-1-2", **recipe):
    """The card's rows by their headings."""
    rows = [line.strip("| ").split(" | ") for line in card(architecture, **recipe).splitlines()[2:]]
    return dict(rows)


def behaviour(optimizer):
    """The weights that an optimizer reaches, by gradients that clipping and decay change."""
    weight = keras.Variable([1.0, -2.0, 3.0])
    optimizer.build([weight])
    for step in range(3):
        optimizer.apply([keras.ops.convert_to_tensor([0.5, -3.0, 0.01 * step])], [weight])
    return keras.ops.convert_to_numpy(weight).tolist()


OTHER = {
    Optimizer: {"learning_rate": 0.3, "momentum": 0.5, "nesterov": False, "weight_decay": 0.1, "clip_value": 0.2},
    Schedule: {"epochs": (2, 4), "factor": 0.7, "warmup": 0.4},
    Pull: {"start": 0.01, "end": 0.5, "factor": 1.5, "bound": 0.3},
}


def changed(part, table, name):
    """A table of a recipe and its card, and both with another value of one setting."""
    other = part.model_copy(update={name: OTHER[type(part)][name]})
    for one in (part, other):
        yield one, told("resnet-24-relaxed-all", **{table: json.loads(one.model_dump_json())})[table]


@pytest.mark.parametrize("momentum", [0.9, 0.0])
@pytest.mark.parametrize("kind", ["sgd", "adam"])
@pytest.mark.parametrize("name", OTHER[Optimizer])
def test_of_the_optimizer_what_moves_the_weights(kind, name, momentum):
    start = Optimizer().model_copy(update={"kind": kind, "momentum": momentum})
    (one, words), (other, others) = changed(start, "optimizer", name)
    recipe = load_recipe(f"{NAME}.fast").model_copy(update={"schedule": Schedule()})
    reached = [behaviour(make_optimizer(recipe.model_copy(update={"optimizer": it}), 5)) for it in (one, other)]
    assert (words != others) is (reached[0] != reached[1])
    assert words.startswith(f"{kind}, learning rate 0.1")


@pytest.mark.parametrize("epochs", [(), (3,)])
@pytest.mark.parametrize("kind", ["steps", "linear", "cosine"])
@pytest.mark.parametrize("name", OTHER[Schedule])
def test_of_the_schedule_what_moves_the_rate(kind, name, epochs):
    # Records of another time may have settings that a recipe now refuses; nothing reads them.
    start = Schedule().model_copy(update={"kind": kind, "epochs": epochs})
    (one, words), (other, others) = changed(start, "schedule", name)
    rates = [[float(EpochSchedule(0.1, it, 6, 2)(step)) for step in range(12)] for it in (one, other)]
    assert (words != others) is (rates[0] != rates[1])


@pytest.mark.parametrize("kind", ["exponential", "success"])
@pytest.mark.parametrize("name", OTHER[Pull])
def test_of_the_pull_what_its_callback_takes(kind, name):
    from recurzoo.families.relaxed.network import RelaxedResNet

    network = RelaxedResNet((2, 2, 2), "relaxed", input_shape=(8, 8, 3))
    (one, words), (other, others) = changed(Pull(kind=kind), "pull", name)
    recipe = load_recipe(f"{NAME}.fast")
    taken = []
    for pull in (one, other):
        (callback,) = make_pull_callbacks(recipe.model_copy(update={"pull": pull}), network)
        taken.append({key: value for key, value in vars(callback).items() if isinstance(value, float)})
    assert (words != others) is (taken[0] != taken[1])
    assert words.startswith(kind)


def test_a_recipe_in_words():
    rows = told(
        "resnet-24-relaxed-all",
        image_size=32,
        model={"dropout": 0.3, "death_rate": 0, "unroll": True},
        optimizer={"kind": "sgd", "learning_rate": 0.1, "momentum": 0.9, "nesterov": True, "clip_value": None},
        schedule={"kind": "steps", "epochs": [60, 120], "factor": 0.2, "warmup": 0.0},
        label_smoothing=0.1,
        average={"decay": 0.99, "last": 0.2},
        pull={"kind": "success", "start": 0.1, "end": 1.0, "factor": 1.2, "bound": 0.1},
        augmentation={"flip": True, "crop": 4, "cutout": 0},
        baseline="resnet-24",
    )
    assert rows == {
        "recipe": "mine",
        "image size": "32",
        "model": "dropout 0.3, death rate 0, unroll",
        "optimizer": "sgd, learning rate 0.1, momentum 0.9, nesterov",
        "schedule": "steps, epochs 60/120, factor 0.2",
        "label smoothing": "0.1",
        "average": "decay 0.99, last 0.2",
        "pull": "success, start 0.1, end 1.0, factor 1.2, bound 0.1",
        "augmentation": "flip, crop 4",
        "baseline": "resnet-24",
    }


@pytest.mark.parametrize("average", [{"decay": 0.99, "last": 0.0}, {"decay": 0.0, "last": 0.5}, {"decay": 0.9}, None])
def test_no_average_was_taken(average):
    assert "average" not in told(average=average)


def test_no_pull_without_relaxed_sharing():
    pull = {"kind": "exponential", "start": 0.1, "end": 1.0}
    assert "pull" not in told("resnet-24", pull=pull)
    assert "pull" not in told("resnet-24-relaxed-all", pull=None)


def test_settings_of_another_time():
    rows = told(optimizer={"learning_rate": 0.2}, schedule={}, average={"last": 0.5})
    assert rows["optimizer"] == "sgd, learning rate 0.2"
    assert (rows["schedule"], rows["average"]) == ("constant", "last 0.5")
    assert told(optimizer={"kind": "lion", "beta": 0.9}, schedule={"kind": "wsd", "hold": 3}) == {
        "recipe": "mine",
        "optimizer": "lion, beta 0.9",
        "schedule": "wsd, hold 3",
    }


TABLES = ("folded", "model", "optimizer", "schedule", "augmentation", "average", "pull", "curriculum")
KEYS = st.sampled_from(["kind", "epochs", "last", "decay", "momentum", "factor", "a|b"]) | st.text(max_size=3)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
ANYTHING = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
FIELDS = st.sampled_from([*TABLES, "image_size", "batch_size", "label_smoothing", "baseline", "precision"])


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(FIELDS, ANYTHING | st.dictionaries(KEYS, ANYTHING, max_size=4)))
def test_any_recipe_has_a_table(recipe):
    lines = card("resnet-24-relaxed-all", **recipe).splitlines()
    assert lines[:2] == ["| | |", "|---|---|"]
    assert all(line.startswith("| ") and line.count("|") == 3 for line in lines[2:])
