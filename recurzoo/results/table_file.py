"""`results.csv`, beside the checkpoints it is about."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Iterable
from pathlib import Path

from recurzoo.results.row import ResultRow

RESULTS = "results.csv"
COLUMNS = tuple(field.name for field in dataclasses.fields(ResultRow))  # type: ignore[arg-type]


def format_csv(rows: Iterable[ResultRow]) -> str:
    """Rows as the text of a CSV file; what is not known is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(dataclasses.asdict(row) for row in rows)  # type: ignore[call-overload]
    return text.getvalue()


def read_csv(path: Path) -> dict[str, ResultRow]:
    """Read a file of results.

    Args:
        path: of the file.

    Returns:
        The rows by their checkpoints' names; none if there is no file.

    Raises:
        ValueError: if it is not one of ours.
    """
    if not path.is_file():
        return {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise ValueError(f"its columns are {', '.join(reader.fieldnames or ()) or 'none'}")
            rows = [ResultRow.from_dict({name: value or None for name, value in row.items()}) for row in reader]
    except (ValueError, csv.Error) as error:
        raise ValueError(
            f"A file of results cannot be read; write it anew with `recurzoo results --write`. Received: "
            f"{str(path)!r}: {error}"
        ) from None
    return {row.checkpoint: row for row in rows}
