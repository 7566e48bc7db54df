"""Reports: frozen records of what was done or measured, readable as a table and as JSON."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

from rich.console import Console, RenderableType


class Report:
    """Gives a frozen dataclass a dictionary for JSON and, from `__rich__`, a text."""

    @property
    def failed(self) -> bool:
        """Whether what this tells of is a failure; the command that returns it has exit status 1 then."""
        return False

    def __rich__(self) -> RenderableType:
        raise NotImplementedError

    def __str__(self) -> str:
        console = Console(file=io.StringIO(), width=110, no_color=True)
        console.print(self)
        return console.file.getvalue().rstrip()  # type: ignore[attr-defined]

    def to_dict(self) -> dict[str, Any]:
        """The report as dictionaries, lists, numbers and strings."""
        return {field.name: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)}  # type: ignore[arg-type]


def _plain(item: Any) -> Any:
    if dataclasses.is_dataclass(item):
        return {field.name: _plain(getattr(item, field.name)) for field in dataclasses.fields(item)}
    if hasattr(item, "_asdict"):
        return {name: _plain(value) for name, value in item._asdict().items()}
    if isinstance(item, tuple):
        return [_plain(value) for value in item]
    return item
