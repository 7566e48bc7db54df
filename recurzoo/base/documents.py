"""JSON and TOML from anywhere: of bounded size and depth, and whatever is wrong with a text is a ValueError."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Callable
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

# Many times what any document here needs.
LARGEST = 4_000_000
DEEPEST = 50


def read_json(path: Path | Traversable) -> Any:
    """Read a JSON file.

    Args:
        path: of the file.

    Returns:
        What it says.

    Raises:
        ValueError: if it is too large or nested too deeply, or is not JSON; NaN and infinities are not.
        OSError: if it cannot be read.
    """
    return parse_json(_read(path))


def read_toml(path: Path | Traversable) -> dict[str, Any]:
    """Read a TOML file; as `read_json`."""
    return parse_toml(_read(path))


def parse_json(text: str | bytes) -> Any:
    """Read JSON text; as `read_json`."""
    return _parse(text, lambda text: json.loads(text, parse_float=_finite, parse_constant=_finite))


def parse_toml(text: str | bytes) -> dict[str, Any]:
    """Read TOML text; as `read_json`, but TOML has infinities and NaN."""
    return _parse(text, _parse_shallow_toml)


def shorten(item: Any, length: int = 80) -> str:
    """How an error shows what it received: on one line, and not a page of it."""
    return one_line(repr(item), length)


def one_line(text: str, length: int = 200) -> str:
    """A text, such as another error's, as part of a sentence."""
    text = printable(" ".join(text.split()))
    return text if len(text) <= length else f"{text[: length - 3]}..."


def printable(text: str) -> str:
    """A text from anywhere as it may be shown: what is no letter, mark, sign or space stands as its escape sequence.

    So a name cannot move a terminal's cursor, turn the direction of writing, or end a line.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _read(path: Path | Traversable) -> bytes:
    with path.open("rb") as file:
        return file.read(LARGEST + 1)


def _parse(text: str | bytes, parse: Callable[[str], Any]) -> Any:
    if len(text) > LARGEST:
        raise ValueError(f"it has more than {LARGEST} bytes")
    try:
        document = parse(text.decode("utf-8") if isinstance(text, bytes) else text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 at byte {error.start}") from None
    except ValueError as error:
        raise ValueError(one_line(str(error))) from None
    # Parsers go deeper than what will work on the document: comparing, copying, showing it.
    inner = [document]
    for _ in range(DEEPEST):
        inner = [part for item in inner if isinstance(item, (dict, list)) for part in _parts(item)]
    if inner:
        raise ValueError("it is nested too deeply")
    return document


def _parse_shallow_toml(text: str) -> dict[str, Any]:
    # The parser keeps every beginning of a dotted key, gigabytes of a long one.
    if any(line.count(".") > DEEPEST for line in text.splitlines()):
        raise ValueError("it is nested too deeply")
    return tomllib.loads(text)


def _parts(item: dict[str, Any] | list[Any]) -> list[Any]:
    return list(item.values()) if isinstance(item, dict) else item


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"it holds {shorten(text)}, which is no number of JSON")
    return number
