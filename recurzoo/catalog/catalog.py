"""The catalog: known architectures, the papers' figures, data sets, recipes' names; TOML files of the package."""

from __future__ import annotations

import functools
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from recurzoo.base.documents import read_toml
from recurzoo.catalog.facts import ArchitectureFacts, DatasetFacts, FamilyFacts, Figure, PublishedFacts
from recurzoo.catalog.names import FAMILIES, Architecture, parse, split_tag


@functools.cache
def families() -> dict[str, FamilyFacts]:
    """Every family's facts, by its name."""
    return {family.name: FamilyFacts.from_dict(_read("families", family.name, "family.toml")) for family in FAMILIES}


@functools.cache
def _datasets() -> dict[str, DatasetFacts]:
    return {name: DatasetFacts.from_dict(facts) for name, facts in _read("catalog", "datasets.toml").items()}


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


def recipes_folder() -> Traversable:
    """Where the recipes lie that ship with the package."""
    return resources.files("recurzoo").joinpath("training", "recipes")


def recipe_names(architecture: str | None = None) -> tuple[str, ...]:
    """The names of the recipes that ship with the package, of all or of those for an architecture, sorted."""
    names = [file.name.removesuffix(".toml") for file in recipes_folder().iterdir() if file.name.endswith(".toml")]
    # What begins with an underscore is no recipe but the common ground of several.
    recipes = sorted(name for name in names if not name.startswith("_"))
    return tuple(name for name in recipes if architecture is None or name.startswith(f"{architecture}."))
