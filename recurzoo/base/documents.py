"""JSON and TOML from anywhere: bounded before they are parsed, and whatever is wrong is a ValueError; CSV and Markdown
to write.
"""

from __future__ import annotations

import csv
import io
import json
import math
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recurzoo.base.files import open_regular

if TYPE_CHECKING:
    import jinja2

# Many times what any document here needs: bytes, values in all, values in one object, nesting, and whole numbers.
LARGEST = 4_000_000
MOST_VALUES = 200_000
MOST_KEYS = 2_000
DEEPEST = 50
LARGEST_NUMBER = 2**63


def read_json(path: Path | Traversable) -> Any:
    """Read a JSON file.

    Args:
        path: of the file.

    Returns:
        What it says.

    Raises:
        ValueError: if it is no regular file, is too large or nested too deeply, or is not JSON; NaN and infinities are
            not.
        OSError: if it cannot be read.
    """
    return parse_json(_read(path))


def read_toml(path: Path | Traversable) -> dict[str, Any]:
    """Read a TOML file; as `read_json`."""
    return parse_toml(_read(path))


def parse_json(text: str | bytes) -> Any:
    """Read JSON text; as `read_json`."""
    return _parse(
        text, lambda text: json.loads(text, parse_float=_finite, parse_constant=_finite, parse_int=_whole_number)
    )


def parse_toml(text: str | bytes) -> dict[str, Any]:
    """Read TOML text; as `read_json`, but TOML has infinities and NaN."""
    return _parse(text, _parse_shallow_toml)


def markdown_templates(folder: Path, **options: Any) -> jinja2.Environment:
    """The templates of Markdown in a folder, whose tags leave no trace and whose names must all be known.

    Args:
        folder: where they lie.
        **options: further ones of Jinja's `Environment`.
    """
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **options,
    )


def format_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Rows as the text of a CSV file with a line of headings; None is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


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
    with open_regular(path) if isinstance(path, Path) else path.open("rb") as file:
        return file.read(LARGEST + 1)


def _parse(text: str | bytes, parse: Callable[[str], Any]) -> Any:
    if len(text) > LARGEST:
        raise ValueError(f"it has more than {LARGEST} bytes")
    try:
        text = text.decode("utf-8") if isinstance(text, bytes) else text
        if text.startswith("\ufeff"):
            raise ValueError("it begins with a byte-order mark")
        document = parse(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 at byte {error.start}") from None
    except ValueError as error:
        # Python's own limit on digits, which TOML's parser meets, speaks of an interpreter's setting.
        reason = "it holds a number of too many digits" if "int_max_str_digits" in str(error) else one_line(str(error))
        raise ValueError(reason) from None
    _check_size(document)
    return document


def _parse_shallow_toml(text: str) -> dict[str, Any]:
    # The parser keeps every beginning of a dotted key, gigabytes of a long one.
    if any(line.count(".") > DEEPEST for line in text.splitlines()):
        raise ValueError("it is nested too deeply")
    return tomllib.loads(text)


def _check_size(document: Any) -> None:
    # Parsers go deeper than what will work on the document: comparing, copying, showing it.
    level, count = [document], 0
    for _ in range(DEEPEST):
        count += len(level)
        inner = []
        for item in level:
            if isinstance(item, dict):
                if len(item) > MOST_KEYS:
                    raise ValueError(f"it has an object of {len(item)} keys, more than {MOST_KEYS}")
                inner += [*item, *item.values()]
            elif isinstance(item, list):
                inner += item
            else:
                _check_value(item)
        level = inner
        if count + len(level) > MOST_VALUES:
            raise ValueError(f"it has more than {MOST_VALUES} values")
    if level:
        raise ValueError("it is nested too deeply")


def _check_value(item: Any) -> None:
    if isinstance(item, int) and not -LARGEST_NUMBER <= item < LARGEST_NUMBER:
        raise ValueError(f"it holds the number {shorten(item)}, beyond 64 bits")
    if isinstance(item, str):
        try:
            item.encode("utf-8")
        except UnicodeEncodeError:
            raise ValueError(f"it holds half a character: {shorten(item)}") from None


def _whole_number(text: str) -> int:
    # Before it is computed, which takes quadratic time.
    if len(text) > len(str(-LARGEST_NUMBER)):
        raise ValueError(f"it holds the number {one_line(text, 40)}, beyond 64 bits")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"it holds {shorten(text)}, which is no number of JSON")
    return number
