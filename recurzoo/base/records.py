"""Frozen values that check themselves: records, recipes and reports; read from mappings, written as JSON and text."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from rich.console import Console, RenderableType
from rich.text import Text

from recurzoo.base.documents import one_line, printable, shorten

# Of what is wrong with one record.
MOST_PROBLEMS = 5


class FrozenModel(BaseModel):
    """Frozen; an unknown field is an error, and so is a number that JSON cannot say."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read one from a mapping of its fields; those with a default may be left out.

        Raises:
            ValueError: in one sentence, which fields are unknown, missing, or of the wrong type.
        """
        if not isinstance(values, Mapping):
            raise ValueError(f"A {cls.__name__} is a table of fields. Received: {shorten(values)}")
        # Pydantic would make an error of each, however many there are.
        if unknown := [name for name in values if name not in cls.model_fields]:
            raise ValueError(f"A {cls.__name__} has no such fields. Received: {shorten(unknown[:MOST_PROBLEMS])}")
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            problems = [
                f"{one_line('.'.join(map(str, e['loc'])))}: {e['msg']}, not {shorten(e['input'])}"
                for e in error.errors(include_url=False, include_context=False)[:MOST_PROBLEMS]
            ]
            raise ValueError(f"This is not a {cls.__name__}. Received: {'; '.join(problems)}") from None

    def replace(self, **changes: Any) -> Self:
        """Another one like this but for some fields, checked like any other."""
        return type(self).from_dict({**{name: getattr(self, name) for name in type(self).model_fields}, **changes})

    def to_dict(self) -> dict[str, Any]:
        """Nested dictionaries and lists of numbers and strings, as JSON has them."""
        return self.model_dump(mode="json")

    def to_json(self, indent: int | None = None) -> str:
        """JSON text.

        Raises:
            ValueError: if there is something in it that JSON cannot say, such as NaN or an array.
        """
        try:
            return json.dumps(self.to_dict(), indent=indent, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"A {type(self).__name__} holds only what JSON can say. Received: {error}") from None


def plain_text(text: str) -> Text:
    """Text from a record, a file's name or the network as a report prints it: without markup and control characters."""
    return Text(printable(text))


class Report(FrozenModel):
    """What was done or measured, for people (`print`) and as JSON."""

    @property
    def failed(self) -> bool:
        """Whether what this tells of is a failure; the command that returns it has exit status 1 then."""
        return False

    def __rich__(self) -> RenderableType:
        raise NotImplementedError

    def __str__(self) -> str:
        # In a notebook Rich would show it beside what is printed, and leave nothing to print.
        console = Console(file=io.StringIO(), width=110, no_color=True, force_jupyter=False)
        console.print(self, crop=False)
        return console.file.getvalue().rstrip()  # type: ignore[attr-defined]
