"""Recipes: all that ship are well-formed, and what is not is refused in one sentence."""

import json
import time
import tracemalloc
from collections import Counter

import pytest

from recurzoo.base.errors import UnknownNameError
from recurzoo.catalog.catalog import families, recipe_names, recipe_tables
from recurzoo.catalog.recipe import MOST_CHARACTERS, MOST_WORDS, load_recipe, recipes


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_that_ships(name):
    recipe = load_recipe(name)
    assert name.startswith(f"{recipe.architecture}.{recipe.dataset}.")
    assert (recipe.license, recipe.data_license) == ("Apache-2.0", None)


def test_each_recipe_stands_once_and_in_the_file_of_its_family():
    headings = {family: facts.recipes for family, facts in families().items()}
    assert "rc-{1,2,resnet-10}.{cifar10,cifar100}.paper" in headings["rc"]
    names = ["rc-1.cifar10.paper", "rc-resnet-10.cifar100.paper"]
    assert all(recipe_tables()[name] == headings["rc"]["rc-{1,2,resnet-10}.{cifar10,cifar100}.paper"] for name in names)
    # As many names as the lists in braces make together: none hides another.
    count = Counter()
    for tables in headings.values():
        for heading in tables:
            product = 1
            for part in heading.split("{")[1:]:
                product *= part.partition("}")[0].count(",") + 1
            count[heading] = product
    assert sum(count.values()) == len(recipe_names()) >= 94
    for family, facts in families().items():
        for name in facts.architectures:
            assert all(recipe.architecture == name for recipe in recipes(f"{name}.*")), family


def test_recipes_are_listed_by_wildcards():
    assert [recipe.name for recipe in recipes()] == list(recipe_names())
    found = recipes("rc-4.*.paper")
    assert [(recipe.name, recipe.dataset, recipe.epochs) for recipe in found] == [
        ("rc-4.cifar10.paper", "cifar10", 160),
        ("rc-4.cifar100.paper", "cifar100", 160),
    ]
    assert recipes("nothing*") == []


def test_the_recipe_of_a_record(tmp_path):
    changed = load_recipe("rc-4-w16.cifar10.cpu", ["epochs=3", "seed=7"])
    path = tmp_path / "record.json"
    path.write_text(json.dumps({"name": "rc-4-w16.cifar10", "recipe": changed.model_dump(mode="json")}))
    assert load_recipe(str(path)) == changed
    assert load_recipe(str(path), ["epochs=4"]) == changed.model_copy(update={"epochs": 4})


@pytest.mark.parametrize("text", ["{}", "[]", '{"recipe": null}', '{"recipe": {}}', "{", '{"recipe": {"name": 3}}'])
def test_a_record_without_a_recipe_is_refused(tmp_path, text):
    path = tmp_path / "record.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="Received: "):
        load_recipe(str(path))


def test_a_recipe_of_ones_own_has_the_license_that_it_says(tmp_path):
    own = tmp_path / "rc-1.mine.own.toml"
    own.write_text("epochs = 1")
    assert load_recipe(str(own)).license is None
    changed = load_recipe(str(own), ["license=MIT", "data_license=CC BY 4.0"])
    assert (changed.license, changed.data_license) == ("MIT", "CC BY 4.0")


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
        "swrn-22-1-2.cifar10.cpu",
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
        ("epochs.x=1", "epochs"),
        ("a." * MOST_WORDS + "a=1", "a.a.a"),
        (f"license={'x' * MOST_CHARACTERS}", "license=xxx"),
        ("schedule.kind=cyclic", "'schedule': its kind is steps or linear or cosine"),
        ("schedule.epochs=[3]", "schedule.epochs"),
        ("schedule.factor=0.5", "schedule.factor"),
        ("pull.factor=2", "pull.factor"),
    ],
)
def test_a_bad_change_is_one_sentence(change, words):
    with pytest.raises(ValueError, match="Received") as error:
        load_recipe("swrn-22-1-2.cifar10.cpu", [change])
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_recipe_and_a_file_that_is_no_toml(tmp_path):
    with pytest.raises(ValueError, match=r"no such recipe.*swrn-22-1-2\.cifar10\.cpu"):
        load_recipe("swrn-22-1-2.cifar10.slow")
    for name in ("???", "_zoo", "x" * 100_000, "rc-4.cifar10.paper\0"):
        with pytest.raises(UnknownNameError, match=r"no such recipe.*Received: ") as error:
            load_recipe(name)
        assert len(str(error.value)) < 500
        assert str(error.value).isprintable()
    broken = tmp_path / "broken.toml"
    broken.write_text("epochs = = 3")
    with pytest.raises(ValueError, match="is not TOML"):
        load_recipe(str(broken))


@pytest.mark.parametrize("text", ["{dots}a = 1", "[{dots}a]", "x = {{ {dots}a = 1 }}"])
def test_long_dotted_keys_take_neither_memory_nor_time(tmp_path, text):
    path = tmp_path / "rc-1.cifar10.mine.toml"
    path.write_text(text.format(dots="a." * 50_000))
    tracemalloc.start()
    start = time.process_time()
    for load in (lambda: load_recipe(str(path)), lambda: load_recipe("rc-1.cifar10.paper", [path.read_text()])):
        with pytest.raises(ValueError, match="Received: "):
            load()
    assert time.process_time() - start < 2
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_a_table_of_another_kind_replaces_the_one_before():
    # In whatever order.
    changes = ["schedule.epochs=[3]", "schedule.kind=steps", "optimizer.kind=adam"]
    recipe = load_recipe("swrn-22-1-2.cifar10.cpu", changes)
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
        load_recipe("swrn-22-1-2.cifar10.cpu", ["optimizer.learning_rate=inf"])
