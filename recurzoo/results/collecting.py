"""The results of all checkpoints: read, measured and written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import RenderableType
from rich.table import Table

from recurzoo.base.files import write_text
from recurzoo.base.records import Report
from recurzoo.checkpoints.folder import RECORD, read_record
from recurzoo.checkpoints.scores import describe
from recurzoo.results.measuring import measure
from recurzoo.results.readme import replace_table
from recurzoo.results.row import ResultRow, row_of
from recurzoo.results.table_file import RESULTS, format_csv, read_csv
from recurzoo.zoo.finding import PACKAGE, find_checkpoints
from recurzoo.zoo.loading import load

# Of the repository, where this package is not an installed one.
CLONE = PACKAGE.parent
README, WEIGHTS_FOLDER = "README.md", "weights"


@dataclass(frozen=True)
class Results(Report):
    """What `recurzoo results` tells: a row a checkpoint, in order of name."""

    rows: tuple[ResultRow, ...]

    def __rich__(self) -> RenderableType:
        numbers = ("parameters", "bytes", "MACs", "folded ONNX bytes", "epochs", "minutes", "paper")
        table = Table(box=None, pad_edge=False)
        for heading in ("checkpoint", *numbers[:4], "measured", "runs", *numbers[4:6], "hardware", numbers[6]):
            table.add_column(heading, justify="right" if heading in numbers else "left")
        for row in self.rows:
            counts = (row.parameters, row.bytes, row.macs, row.folded_onnx_bytes)
            table.add_row(
                row.checkpoint,
                *("" if count is None else f"{count:,}" for count in counts),
                describe(row.headline),
                "" if row.runs is None else str(row.runs),
                "" if row.epochs is None else str(row.epochs),
                "" if row.training_seconds is None else f"{row.training_seconds / 60:.0f}",
                row.hardware or "",
                "" if row.paper_accuracy is None else f"{row.paper_accuracy:.2f}%",
            )
        return table


def collect() -> Results:
    """The results of the checkpoints that are here, without loading a model.

    Operations and the bytes of the folded ONNX file are those of the `results.csv` beside a checkpoint, where that is
    about the same weights and record; else they are not known.

    Returns:
        `Results`.

    Raises:
        ValueError: if a record or a `results.csv` is not well-formed.

    Example:
        >>> {row.checkpoint: row.macs for row in collect().rows}
    """
    rows = []
    for folder in find_checkpoints().values():
        row = row_of(read_record(folder))
        stored = read_csv(folder.parent / RESULTS).get(row.checkpoint)
        rows.append(row.with_measured(stored.measured) if stored and not row.differences(stored) else row)
    return Results(tuple(rows))


def write(clone: Path, report: Callable[[str], None] = lambda line: None) -> Results:
    """Measure all checkpoints of a clone, and write `weights/results.csv` and the table in README.md.

    Args:
        clone: its folder.
        report: called with a line before each checkpoint.

    Returns:
        `Results` as written.

    Raises:
        FileNotFoundError: if there is no clone, as in an installed package.
        ImportError: if the modules for export are not installed.
        ValueError: if a checkpoint does not load, or README.md has no place for the table. Nothing is written then.
    """
    readme, weights = clone / README, clone / WEIGHTS_FOLDER
    if not (clone / "pyproject.toml").is_file() or not readme.is_file() or not weights.is_dir():
        raise FileNotFoundError(
            f"Results are written in a clone of the repository, with its {README} and {WEIGHTS_FOLDER}/. Received: "
            f"{str(clone)!r}; run this there"
        )
    # Not those of the shelf: what the environment names there is not the repository's.
    folders = sorted(child for child in weights.iterdir() if child.name[0] != "." and (child / RECORD).is_file())
    text = readme.read_text(encoding="utf-8")
    replace_table(text, ())
    rows = []
    for number, folder in enumerate(folders, start=1):
        report(f"{number}/{len(folders)} measuring {folder.name}")
        rows.append(row_of(read_record(folder)).with_measured(measure(load(folder))))
    new = replace_table(text, rows)
    write_text(weights / RESULTS, format_csv(rows))
    write_text(readme, new)
    return Results(tuple(rows))
