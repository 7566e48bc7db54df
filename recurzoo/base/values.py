"""Frozen values (sharing specs, blocks) that Keras can write into a model's config."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar, dataclass_transform

import keras

T = TypeVar("T")


class Value:
    """Gives a frozen dataclass the two methods Keras serializes objects by."""

    def get_config(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]

    @classmethod
    def from_config(cls: type[T], config: dict[str, Any]) -> T:
        # JSON has no tuples; a frozen value hashes, so it holds no lists.
        return cls(**{key: tuple(item) if isinstance(item, list) else item for key, item in config.items()})


@dataclass_transform(frozen_default=True)
def value(cls: type[T]) -> type[T]:
    """Make a subclass of `Value` a frozen dataclass that Keras finds by name when it loads a file."""
    return keras.saving.register_keras_serializable("recurzoo")(dataclasses.dataclass(frozen=True)(cls))
