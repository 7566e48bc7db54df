"""Recipes: everything a training run is, but for its data, as a frozen value read from TOML."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from recurzoo.base.documents import one_line, parse_toml, read_toml, shorten
from recurzoo.base.errors import UnknownNameError
from recurzoo.base.records import FrozenModel
from recurzoo.catalog.catalog import recipe_names, recipes_folder
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
        seed: of initialisation, order, augmentation and dropout.
        precision: `"float32"`, `"mixed_bfloat16"`, or `"auto"`: bfloat16 where the machine computes in it, chosen
            anew at each start of a run. Its state is float32 in any case.
        label_smoothing: in 0..1.
        logger: `"csv"`, which is written in any case, or `"tensorboard"` for its event files as well.
        steps_per_execution: steps compiled into one call; more than 1 pays on a GPU.
        progressive: how the images grow during the run.
        reestimate: whether the statistics of normalisations are measured anew at the end, on training images augmented
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


def load_recipe(name: str, changes: list[str] | None = None) -> Recipe:
    """Read a recipe.

    A recipe's TOML may name another as its `base`, whose settings it changes. `architecture` and `dataset` default to
    the first two words of the name.

    Args:
        name: of a recipe in the package, or the path of a TOML file.
        changes: strings `KEY=VALUE`; keys of tables are dotted (`optimizer.learning_rate=0.2`), values are TOML, and
            what is not TOML is a string.

    Returns:
        A `Recipe`.

    Raises:
        UnknownNameError: if there is no such recipe; a ValueError.
        ValueError: if it is not well-formed.
    """
    shipped = name in recipe_names()
    if not shipped and not _is_file(name):
        near = difflib.get_close_matches(name, recipe_names(), n=3, cutoff=0.3)
        known = f"a recipe such as {', '.join(near)}" if near else "one of those that recurzoo info ARCHITECTURE names"
        raise UnknownNameError(f"There is no such recipe. Received: {name!r}; give a TOML file or {known}")
    table = _read(name)
    if not shipped:
        name = Path(name).stem
    words = name.split(".")
    if len(words) > 2:
        table = {"architecture": words[0], "dataset": words[1], **table}
    for change in changes or []:
        _apply(table, change)
    try:
        return Recipe(**{**table, "name": name})
    except ValidationError as error:
        first = error.errors()[0]
        # Of a table of several kinds Pydantic also says which one it read.
        where = ".".join(str(part) for part in first["loc"] if part not in KINDS)
        raise ValueError(
            f"Recipe {name!r} is not well-formed at {shorten(where)}: {first['msg']}. "
            f"Received: {shorten(first['input'])}"
        ) from None


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except OSError:
        # A name that no file system takes.
        return False


def _read(name: str, readers: tuple[str, ...] = ()) -> dict[str, Any]:
    shipped = recipes_folder().joinpath(f"{name}.toml")
    try:
        table = read_toml(shipped if shipped.is_file() else Path(name))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"This recipe is not TOML that can be read. Received: {shorten(name)}: {one_line(str(error))}"
        ) from None
    base = table.pop("base", None)
    if base is None:
        return table
    if not isinstance(base, str) or base in (*readers, name):
        raise ValueError(
            f"A recipe's base is the name of another recipe, which is not based on this one. Received: {shorten(base)} "
            f"in {shorten(name)}"
        )
    return _merged(_read(base, (*readers, name)), table)


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    both = {**base, **changes}
    for key in base.keys() & changes.keys():
        before, after = base[key], changes[key]
        # A table of another kind has other settings.
        if isinstance(before, dict) and isinstance(after, dict) and after.get("kind") in (None, before.get("kind")):
            both[key] = {**base[key], **changes[key]}
    return both


def _apply(table: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    if not equals:
        raise ValueError(f"A change to a recipe reads KEY=VALUE. Received: {change!r}")
    try:
        value = parse_toml(f"value = {text}")["value"]
    except ValueError:
        value = text
    *parents, last = key.strip().split(".")
    for parent in parents:
        table = table.setdefault(parent, {})
        if not isinstance(table, dict):
            raise ValueError(f"{parent!r} is no table of a recipe. Received: {change!r}")
    if last == "kind" and table.get("kind") != value:
        # A table of another kind has other settings.
        table.clear()
    table[last] = value
