"""What records have in common: they are frozen, check themselves, and are read from mappings and written as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Self, dataclass_transform

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from recurzoo.base.documents import one_line, shorten

# Of what is wrong with one record.
MOST_TOLD = 5


class Spec:
    """What all records share: reading from a mapping and writing as JSON."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read a record.

        Args:
            values: mapping with this record's fields; those with a default may be left out.

        Returns:
            The record.

        Raises:
            ValueError: if a field is unknown, missing, or of the wrong type.
        """
        if not isinstance(values, Mapping):
            raise ValueError(f"A {cls.__name__} is a table of fields. Received: {shorten(values)}")
        try:
            return TypeAdapter(cls).validate_python(dict(values))
        except ValidationError as error:
            found = [
                f"{one_line('.'.join(map(str, e['loc'])))}: {e['msg']}, not {shorten(e['input'])}"
                for e in error.errors(include_url=False, include_context=False)[:MOST_TOLD]
            ]
            raise ValueError(f"This is not a {cls.__name__}. Received: {'; '.join(found)}") from None

    def to_dict(self) -> dict[str, Any]:
        """The record as nested dictionaries and lists, as JSON has them."""
        return json.loads(self.to_json())

    def to_json(self, indent: int | None = None) -> str:
        """The record as JSON text.

        Raises:
            ValueError: if it holds something that JSON cannot say, such as NaN or an array.
        """
        try:
            return json.dumps(dataclasses.asdict(self), indent=indent, allow_nan=False)  # type: ignore[call-overload]
        except (TypeError, ValueError) as error:
            raise ValueError(f"A {type(self).__name__} holds only what JSON can say. Received: {error}") from None


@dataclass_transform(frozen_default=True, kw_only_default=True)
def spec(cls: type) -> Any:
    """Make a subclass of `Spec` a frozen dataclass that checks its values and refuses unknown fields."""
    return dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))(cls)
