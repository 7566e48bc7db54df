"""The Markdown that cards are made of, in which no text of a record can end the part that it stands in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def line(text: Any) -> str:
    """Text on one line."""
    return " ".join(str(text).split())


def bullets(lines: Iterable[str]) -> str:
    """A list of sentences, of which each gets a capital letter and a full stop."""
    return "\n".join(f"- {text[0].upper()}{line(text[1:])}." for text in lines)


def table(heads: Sequence[Any], rows: Iterable[Sequence[Any]]) -> str:
    """A table with a line of headings."""
    return "\n".join(f"| {' | '.join(map(_cell, row))} |" for row in (heads, ["---"] * len(heads), *rows))


def facts(told: Mapping[str, Any]) -> str:
    """A table of names and values, without those that are not known."""
    lines = [f"| {_cell(key)} | {_cell(value)} |" for key, value in told.items() if value not in (None, "")]
    return "\n".join(["| | |", "|---|---|", *lines])


def _cell(text: Any) -> str:
    return line(text).replace("|", "/")
