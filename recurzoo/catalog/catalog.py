"""The catalog: known architectures, the papers' figures, data sets, tables of recipes; TOML files of the package."""

from __future__ import annotations

import functools
import itertools
import re
from importlib import resources
from typing import Any

from recurzoo.base.documents import read_toml
from recurzoo.catalog.facts import ArchitectureFacts, DatasetFacts, FamilyFacts, Figure, PublishedFacts
from recurzoo.catalog.names import FAMILIES, Architecture, parse, split_tag
from recurzoo.families.channel_statistics import BY_DATASET


@functools.cache
def families() -> dict[str, FamilyFacts]:
    """Every family's facts, by its name."""
    return {family.name: FamilyFacts.from_dict(_read("families", family.name, "family.toml")) for family in FAMILIES}


@functools.cache
def _datasets() -> dict[str, DatasetFacts]:
    return {
        name: DatasetFacts.from_dict({**facts, **(BY_DATASET[name]._asdict() if name in BY_DATASET else {})})
        for name, facts in _read("catalog", "datasets.toml").items()
    }


def _read(*place: str) -> dict[str, Any]:
    file = resources.files("recurzoo").joinpath(*place)
    try:
        return read_toml(file)
    except ValueError as error:
        raise ValueError(
            f"A file of the catalog is not TOML that can be read. Received: {place[-1]}: {error}"
        ) from None


def architecture_names() -> list[str]:
    """The catalogued architectures, sorted."""
    return sorted(name for family in families().values() for name in family.architectures)


def architecture(name: str) -> Architecture:
    """Read an architecture's name, catalogued or not.

    Args:
        name: such as `"swrn-28-10-2"`.

    Returns:
        An `Architecture`.

    Raises:
        UnknownNameError: if no network has this name; it suggests one that has.
    """
    return parse(name, known=architecture_names())


def architecture_facts(name: str) -> ArchitectureFacts | None:
    """What is known of an architecture; None if it is not in the catalog."""
    return families()[architecture(name).family].architectures.get(name)


def default_tag(name: str) -> str:
    """The tag of the checkpoint that an architecture's bare name loads."""
    facts = architecture_facts(name)
    return (facts.default_tag if facts else None) or families()[architecture(name).family].default_tag


def figures(name: str) -> tuple[Figure, ...]:
    """The test errors that the paper reports for an architecture."""
    return tuple(
        Figure(
            source=table.table,
            training=table.training,
            runs=table.runs,
            errors={key: float(value) for key, value in row.items() if key != "architecture"},
        )
        for table in families()[architecture(name).family].figures
        for row in table.errors
        if row["architecture"] == name
    )


def published(checkpoint: str) -> PublishedFacts | None:
    """Where a checkpoint of this name is published; None if it is not."""
    return families()[architecture(split_tag(checkpoint)[0]).family].published.get(checkpoint)


def dataset_facts(name: str) -> DatasetFacts | None:
    """What is known of a data set; None if it is not in the catalog."""
    return _datasets().get(name)


@functools.cache
def recipe_tables() -> dict[str, dict[str, Any]]:
    """The tables of all recipes that ship, as they stand in the families' files and in `recipes.toml`, by name.

    In a table's heading, braces list what it is for: `"rc-{1,2}.cifar10.paper"` is two recipes. What begins with an
    underscore is no recipe but what several have in common.
    """
    tables = dict(_read("catalog", "recipes.toml"))
    for family in families().values():
        for heading, table in family.recipes.items():
            # Every second part stood in braces.
            parts = re.split(r"{(.*?)}", heading)
            choices = [part.split(",") if number % 2 else [part] for number, part in enumerate(parts)]
            tables |= {"".join(words): table for words in itertools.product(*choices)}
    return tables


def recipe_names(architecture: str | None = None) -> tuple[str, ...]:
    """The names of the recipes that ship with the package, of all or of those for an architecture, sorted."""
    names = sorted(name for name in recipe_tables() if not name.startswith("_"))
    return tuple(name for name in names if architecture is None or name.startswith(f"{architecture}."))
