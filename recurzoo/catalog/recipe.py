"""Recipes: everything a training run is, but for its data, as a frozen value read from TOML or from a record."""

from __future__ import annotations

import difflib
import fnmatch
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from recurzoo.base.documents import one_line, parse_toml, read_json, read_toml, shorten
from recurzoo.base.errors import UnknownNameError
from recurzoo.base.records import FrozenModel
from recurzoo.catalog.catalog import recipe_names, recipe_tables
from recurzoo.catalog.settings import (
    KINDS,
    SGD,
    Augmentation,
    Curriculum,
    Fraction,
    Optimizer,
    Progressive,
    Pull,
    Schedule,
    Steps,
    WeightAverage,
)

# Of a change to a recipe, and of its dotted key: more than any setting needs.
MOST_CHARACTERS, MOST_WORDS = 1000, 5
Words = Annotated[str, Field(min_length=1, max_length=200)]


class Recipe(FrozenModel):
    """A training run.

    Attributes:
        name: the recipe's.
        architecture: a name that `recurzoo.create` takes.
        dataset: the name of the data set, as in a checkpoint's name.
        image_size: height and width of the images, in pixels.
        model: further arguments of the architecture, such as `dropout`.
        init: a checkpoint whose weights the run begins with, all but a head of other classes.
        grow_from: a checkpoint that the run begins with, grown to `architecture`: see `recurzoo.grow`.
        epochs: passes over the training images, or over `epoch_examples` of them each.
        epoch_examples: how many training images an epoch has, whose end is when the run is stored and logged; None for
            all. Together, consecutive epochs pass over all images.
        log_examples: how many test images the log's figures are of; None for all.
        batch_size: images a step.
        accumulate: how many parts a batch is computed in, one after the other, where the memory does not hold all of
            it. Normalizations see each part by itself.
        remat: whether each step keeps only its input and is computed again for the gradients: a third more time, for
            memory that hardly grows with the steps.
        seed: of initialization, order, augmentation and dropout.
        precision: `"float32"`, `"mixed_bfloat16"`, or `"auto"`: bfloat16 where the machine computes in it, chosen
            anew at each start of a run. Its state is float32 in any case.
        label_smoothing: in 0..1.
        logger: `"csv"`, which is written in any case, or `"tensorboard"` for its event files as well.
        steps_per_execution: steps compiled into one call; more than 1 pays on a GPU.
        progressive: how the images grow during the run.
        reestimate: whether the statistics of normalizations are measured anew at the end, on training images augmented
            as in the last epoch.
        pull: of relaxed sharing; None for the default, the paper's, where there is any.
        curriculum: of a task whose examples are generated; None for its default.
        license: of the weights that come out, for their record; without one they cannot be published.
        data_license: of the data set; None for what the catalog knows of it.
    """

    name: str
    architecture: str
    dataset: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}\z")]
    image_size: Annotated[int, Field(gt=0)] = 32
    model: dict[str, Any] = Field(default_factory=dict)
    init: Words | None = None
    grow_from: Words | None = None
    epochs: Annotated[int, Field(gt=0)]
    epoch_examples: Annotated[int, Field(gt=0)] | None = None
    log_examples: Annotated[int, Field(gt=0)] | None = None
    batch_size: Annotated[int, Field(gt=0)] = 128
    accumulate: Annotated[int, Field(gt=0)] = 1
    remat: bool = False
    seed: Annotated[int, Field(ge=0)] = 0
    precision: Literal["float32", "mixed_bfloat16", "auto"] = "float32"
    label_smoothing: Fraction = 0.0
    logger: Literal["csv", "tensorboard"] = "csv"
    steps_per_execution: Annotated[int, Field(gt=0)] = 1
    augmentation: Augmentation = Augmentation()
    optimizer: Optimizer = SGD()
    schedule: Schedule = Steps()
    average: WeightAverage = WeightAverage()
    progressive: Progressive = Progressive()
    reestimate: bool = False
    pull: Pull | None = None
    curriculum: Curriculum | None = None
    license: Words | None = None
    data_license: Words | None = None

    @property
    def checkpoint(self) -> str:
        """The name of the checkpoint that comes out."""
        return f"{self.architecture}.{self.dataset}"


def recipes(pattern: str = "*") -> list[Recipe]:
    """The recipes that ship with the package.

    Args:
        pattern: of their names, with the wildcards `*` and `?`.

    Returns:
        A list of `Recipe`s, sorted by name.

    Example:
        >>> [recipe.name for recipe in recurzoo.recipes("rc-4.*.paper")]
        ['rc-4.cifar10.paper', 'rc-4.cifar100.paper']
    """
    return [load_recipe(name) for name in recipe_names() if fnmatch.fnmatchcase(name, pattern)]


def load_recipe(name: str, changes: Sequence[str] | None = None) -> Recipe:
    """Read a recipe.

    A recipe's table may name another recipe, or a TOML file, as its `base`, whose settings it changes. `architecture`
    and `dataset` default to the first two words of the name.

    Args:
        name: of a recipe in the package; or the path of a TOML file, or of a checkpoint's `record.json`, which holds
            the recipe that the checkpoint was trained by.
        changes: strings `KEY=VALUE`; keys of tables are dotted (`optimizer.learning_rate=0.2`), values are TOML, and
            what is not TOML is a string.

    Returns:
        A `Recipe`.

    Raises:
        UnknownNameError: if there is no such recipe; a ValueError.
        ValueError: if it is not well-formed.
    """
    if name in recipe_names():
        table = _resolve(name)
    elif not os.path.isfile(name):
        near = difflib.get_close_matches(name, recipe_names(), n=3, cutoff=0.3)
        known = f"a recipe such as {', '.join(near)}" if near else "one of those that `recurzoo recipes` lists"
        raise UnknownNameError(
            f"There is no such recipe. Received: {shorten(name)}; give {known}, a TOML file or a record.json"
        )
    elif name.endswith(".json"):
        table = _of_record(name)
        name = str(table.get("name", ""))
    else:
        table = _resolve(name)
        name = Path(name).stem
    words = name.split(".")
    if len(words) > 2:
        table = {"architecture": words[0], "dataset": words[1], **table}
    # A kind before the settings that it has.
    for change in sorted(changes or (), key=lambda change: not _dotted_key(change).endswith(".kind")):
        table = _merge(table, _parse_change(change))
    try:
        return Recipe(**{**table, "name": name})
    except ValidationError as error:
        first = error.errors()[0]
        # Of a table of several kinds Pydantic also says which one it read.
        where = ".".join(str(part) for part in first["loc"] if part not in KINDS)
        raise ValueError(
            f"Recipe {shorten(name)} is not well-formed at {shorten(where)}: {first['msg']}. "
            f"Received: {shorten(first['input'])}"
        ) from None


def _of_record(name: str) -> dict[str, Any]:
    try:
        record = read_json(Path(name))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"This record is not JSON that can be read. Received: {shorten(name)}: {one_line(str(error))}"
        ) from None
    recipe = record.get("recipe") if isinstance(record, dict) else None
    if not isinstance(recipe, dict):
        raise ValueError(f"This record names no recipe. Received: {shorten(name)}")
    return recipe


def _resolve(name: str, readers: tuple[str, ...] = ()) -> dict[str, Any]:
    """The table of a recipe or a base of the package, or of a TOML file, laid over those that it is based on."""
    table = recipe_tables().get(name)
    if table is None:
        try:
            if not os.path.isfile(name):
                raise ValueError("there is no such file")
            table = read_toml(Path(name))
        except (OSError, ValueError) as error:
            raise ValueError(
                f"This recipe is not TOML that can be read. Received: {shorten(name)}: {one_line(str(error))}"
            ) from None
    base, own = table.get("base"), {key: item for key, item in table.items() if key != "base"}
    if base is None:
        return own
    if not isinstance(base, str) or base in (*readers, name):
        raise ValueError(
            f"A recipe's base is the name of another recipe, which is not based on this one. Received: {shorten(base)} "
            f"in {shorten(name)}"
        )
    return _merge(_resolve(base, (*readers, name)), own)


def _merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """One table laid over another, and so the tables in them; but one of another `kind` has other settings."""
    merged = {**base, **changes}
    for key in base.keys() & changes.keys():
        before, after = base[key], changes[key]
        if isinstance(before, dict) and isinstance(after, dict) and after.get("kind") in (None, before.get("kind")):
            merged[key] = _merge(before, after)
    return merged


def _dotted_key(change: str) -> str:
    return change.partition("=")[0].strip()


def _parse_change(change: str) -> dict[str, Any]:
    """`"optimizer.learning_rate=0.2"` as `{"optimizer": {"learning_rate": 0.2}}`."""
    words, (_, equals, text) = _dotted_key(change).split("."), change.partition("=")
    if not equals or len(change) > MOST_CHARACTERS or len(words) > MOST_WORDS:
        raise ValueError(
            f"A change to a recipe reads KEY=VALUE, of at most {MOST_CHARACTERS} characters, and at most {MOST_WORDS} "
            f"words in a dotted key. Received: {shorten(change)}"
        )
    try:
        value = parse_toml(f"value = {text}")["value"]
    except ValueError:
        value = text
    for word in reversed(words):
        value = {word: value}
    return value
