"""Recipes: all that ship are well-formed, and what is not is refused in one sentence."""

import pytest

from recurzoo.catalog.catalog import recipe_names
from recurzoo.catalog.recipe import load_recipe


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_that_ships(name):
    recipe = load_recipe(name)
    assert name.startswith(f"{recipe.architecture}.{recipe.dataset}.")
    assert (recipe.licence, recipe.data_licence) == ("Apache-2.0", None)


def test_a_recipe_of_ones_own_has_the_licence_that_it_says(tmp_path):
    own = tmp_path / "rc-1.mine.own.toml"
    own.write_text("epochs = 1")
    assert load_recipe(str(own)).licence is None
    changed = load_recipe(str(own), ["licence=MIT", "data_licence=CC BY 4.0"])
    assert (changed.licence, changed.data_licence) == ("MIT", "CC BY 4.0")


def test_the_papers_recipe():
    """Savarese & Maire (2019), section 4.1, and the tables' stars and cutout."""
    recipe = load_recipe("swrn-28-10-2.cifar10.paper")
    assert (recipe.epochs, recipe.batch_size, recipe.schedule.epochs, recipe.schedule.factor) == (
        200,
        128,
        (60, 120, 160),
        0.2,
    )
    assert (recipe.optimizer.learning_rate, recipe.optimizer.momentum, recipe.optimizer.weight_decay) == (
        0.1,
        0.9,
        5e-4,
    )
    assert recipe.optimizer.nesterov
    assert (recipe.augmentation.flip, recipe.augmentation.crop, recipe.augmentation.cutout) == (True, 4, 0)
    assert load_recipe("swrn-28-10-2.cifar10.paper-dropout").model == {"dropout": 0.3}
    assert load_recipe("swrn-28-10-2.cifar10.paper-cutout").augmentation.cutout == 16


def test_changes():
    recipe = load_recipe(
        "swrn-22-1-2.cifar10.fast",
        ["epochs=3", "optimizer.learning_rate=0.05", "architecture=swrn-16-1-1", "model.dropout=0.1"],
    )
    assert (recipe.epochs, recipe.optimizer.learning_rate, recipe.architecture) == (3, 0.05, "swrn-16-1-1")
    assert recipe.model == {"dropout": 0.1}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("epochs", "KEY=VALUE"),
        ("epochs=-1", "epochs"),
        ("epoch=3", "epoch"),
        ("optimizer.rate=1", "optimizer.rate"),
        ("epochs.x=1", "no table"),
        ("schedule.kind=cyclic", "'schedule': its kind is steps or linear or cosine"),
        ("schedule.epochs=[3]", "schedule.epochs"),
        ("schedule.factor=0.5", "schedule.factor"),
        ("optimizer.kernel_rate=0.1", "optimizer.kernel_rate"),
    ],
)
def test_a_bad_change_is_one_sentence(change, words):
    with pytest.raises(ValueError, match="Received") as error:
        load_recipe("swrn-22-1-2.cifar10.fast", [change])
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_recipe_and_a_file_that_is_no_toml(tmp_path):
    with pytest.raises(ValueError, match=r"no such recipe.*swrn-22-1-2\.cifar10\.fast"):
        load_recipe("swrn-22-1-2.cifar10.slow")
    with pytest.raises(ValueError, match=r"no such recipe.*recurzoo info ARCHITECTURE names$"):
        load_recipe("???")
    broken = tmp_path / "broken.toml"
    broken.write_text("epochs = = 3")
    with pytest.raises(ValueError, match="is not TOML"):
        load_recipe(str(broken))


def test_a_table_of_another_kind_replaces_the_one_before():
    changes = ["schedule.kind=steps", "schedule.epochs=[3]", "optimizer.kind=adam"]
    recipe = load_recipe("swrn-22-1-2.cifar10.fast", changes)
    assert (recipe.schedule.kind, recipe.schedule.epochs, recipe.schedule.factor) == ("steps", (3,), 0.1)
    assert recipe.optimizer.model_dump() == {"kind": "adam", "learning_rate": 0.001, "clip_value": None}


@pytest.mark.parametrize("base", ['"{own}"', '"{other}"', "3", '"nowhere"'])
def test_a_base_is_another_recipe(tmp_path, base):
    own, other = tmp_path / "own.toml", tmp_path / "other.toml"
    own.write_text(f"base = {base.format(own=own, other=other)}\nepochs = 1")
    other.write_text(f'base = "{own}"')
    with pytest.raises(ValueError, match="Received"):
        load_recipe(str(own))


def test_infinite_rates_are_refused():
    with pytest.raises(ValueError, match="finite"):
        load_recipe("swrn-22-1-2.cifar10.fast", ["optimizer.learning_rate=inf"])
