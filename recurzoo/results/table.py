"""The results of all checkpoints: listed, measured, and written to `results.csv`, README.md and a picture."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table

from recurzoo.base import documents
from recurzoo.base.errors import ExportError
from recurzoo.base.files import write_text
from recurzoo.base.records import Report, plain_text
from recurzoo.results.picture import draw
from recurzoo.results.rows import Measured, ResultRow, rows_in
from recurzoo.zoo.finding import PACKAGE, weights_folders

if TYPE_CHECKING:
    from recurzoo.models import ZooModel

# Of the repository, where this package is not an installed one.
CLONE = PACKAGE.parent
README, WEIGHTS, PICTURE = "README.md", "weights", "docs/accuracy.svg"
RESULTS = "results.csv"
COLUMNS = tuple(sorted(ResultRow.model_fields, key=lambda name: name in Measured.model_fields))
BEGIN, END = "<!-- results: written by `recurzoo results --write` -->", "<!-- end of results -->"
HEADINGS = {
    "checkpoint": "---",
    "parameters": "---:",
    "of its plain twin's": "---:",
    "bytes": "---:",
    "accuracy or F1": "---",
    "plain twin's": "---",
    "paper's": "---:",
    "MACs": "---:",
    "int8 bytes": "---:",
    "in int8": "---:",
    "epochs": "---:",
    "hours": "---:",
    "hardware": "---",
}


class Results(Report):
    """What `recurzoo results` tells: a row a checkpoint, in order of name."""

    rows: tuple[ResultRow, ...]

    def __rich__(self) -> RenderableType:
        table = Table(box=None, pad_edge=False)
        for heading, line in HEADINGS.items():
            table.add_column(heading, justify="right" if line == "---:" else "left")
        for row in self.rows:
            table.add_row(*map(plain_text, _cells(row)))
        return table


def list_results() -> Results:
    """The results of the checkpoints that are here, without loading a model.

    What is measured on models (operations, the bytes of folded ONNX files, the plain twins' parameters) is as the
    `results.csv` beside a checkpoint has it, where the rest of its row there is still true; else it is not known.

    Returns:
        `Results`.

    Raises:
        ValueError: if a `results.csv` is not well-formed.

    Example:
        >>> {row.name: row.macs for row in recurzoo.list_results().rows}
    """
    rows: dict[str, ResultRow] = {}
    for weights in weights_folders():
        stored = read_csv(weights / RESULTS)
        for row in rows_in(weights):
            known = stored.get(row.name)
            if known is not None and not row.differences(known):
                row = row.with_measured(known.measured)
            rows.setdefault(row.name, row)
    return Results(rows=tuple(rows[name] for name in sorted(rows)))


def write_results(
    clone: Path,
    data: str | None = None,
    report: Callable[[str], None] = lambda line: None,
    names: Collection[str] = (),
) -> Results:
    """Measure all checkpoints of a clone; write `weights/results.csv`, the table in README.md and its picture.

    Args:
        clone: its folder.
        data: words for a data set, such as `tfds:cifar10`: checkpoints that were trained on it are measured in int8
            too. Of all others, those figures stay as they are while their weights do.
        report: called with a line before each checkpoint.
        names: of the checkpoints that are measured in int8; all by default.

    Returns:
        `Results` as written.

    Raises:
        FileNotFoundError: if there is no clone, as in an installed package.
        ImportError: if the modules for export or plots are not installed.
        ValueError: if a checkpoint does not load, README.md has no place for the table, a name is no checkpoint's, or
            the data fit none, or not one that is named. Nothing is written then.
    """
    from recurzoo.exporting.evaluating import measure_int8
    from recurzoo.zoo.loading import load

    readme, weights = clone / README, clone / WEIGHTS
    if not (clone / "pyproject.toml").is_file() or not readme.is_file() or not weights.is_dir():
        raise FileNotFoundError(
            f"Results are written in a clone of the repository, with its {README} and {WEIGHTS}/. Received: "
            f"{str(clone)!r}; run this there"
        )
    text = readme.read_text(encoding="utf-8")
    replace_table(text, ())
    # Not those of the shelf: what the environment names there is not the repository's.
    rows = rows_in(weights, _refuse)
    # What misses a module says so before anything takes long.
    draw(rows)
    shipped = [row for row in rows if row.bytes is not None]
    if unknown := sorted(set(names) - {row.name for row in shipped}):
        raise ValueError(f"The clone ships no such checkpoint. Received: {', '.join(unknown)}")
    if names and data is None:
        raise ValueError(f"Checkpoints are measured in int8 on data. Received: {', '.join(names)}; add --data")
    before = _last_written(weights / RESULTS)
    measured: dict[str, Measured] = {}
    misfits: list[str] = []
    for number, row in enumerate(shipped, start=1):
        report(f"{number}/{len(shipped)} measuring {row.name}")
        folder, last = weights / row.name, before.get(row.name)
        found = measure(load(folder))
        if last is not None and last.sha256 == row.sha256:
            found = found.replace(int8_bytes=last.int8_bytes, int8_value=last.int8_value)
        if data is not None and (not names or row.name in names):
            try:
                size, value = measure_int8(folder, data)
            except ValueError as error:
                # Data that are another checkpoint's, unless this one was asked for.
                if names:
                    raise
                misfits.append(str(error))
            else:
                found = found.replace(int8_bytes=size, int8_value=value)
        measured[row.name] = found
    if misfits and len(misfits) == len(shipped):
        raise ValueError(
            f"The data fit none of the checkpoints; nothing was written. Received: data={data!r}: "
            f"{'; '.join(dict.fromkeys(misfits))}"
        )
    rows = [row.with_measured(measured.get(row.name, Measured())) for row in rows]
    texts = {weights / RESULTS: format_csv(rows), clone / PICTURE: draw(rows), readme: replace_table(text, rows)}
    for path, content in texts.items():
        path.parent.mkdir(exist_ok=True)
        write_text(path, content)
    return Results(rows=tuple(rows))


def _last_written(path: Path) -> dict[str, ResultRow]:
    try:
        return read_csv(path)
    except ValueError:
        # It is about to be written anew.
        return {}


def _refuse(folder: Path, problem: str) -> None:
    raise ValueError(
        f"All records of a clone are read before anything is written. Received: {str(folder)!r}: {problem}"
    )


def measure(model: ZooModel, exports: bool = True) -> Measured:
    """What a row has that is measured on the model.

    Args:
        model: a `ZooModel`, left as it is.
        exports: bool. If False, the bytes of the ONNX file are left out where none can be written.

    Returns:
        A `Measured`. Its bytes may vary by a few from export to export, as names in the file do.

    Raises:
        ImportError: if the modules for export are not installed.
        ExportError: on another backend than TensorFlow, or if the exported file does not pass its checks.
    """
    from recurzoo.benchmarking import macs
    from recurzoo.catalog import catalog
    from recurzoo.catalog.names import name_of, plain_twin
    from recurzoo.families.counting import count_parameters
    from recurzoo.zoo.loading import create

    parameters = None
    name = name_of(type(model).__name__, model.architecture)
    if name is not None and (twin := plain_twin(catalog.architecture(name))):
        shape = {"num_classes": model.output_shape[-1], "input_shape": model.input_shape[1:]}
        parameters = count_parameters(create(twin, **shape))
    try:
        size = _folded_onnx_bytes(model)
    except (ImportError, ExportError):
        if exports:
            raise
        size = None
    return Measured(macs=macs(model), folded_onnx_bytes=size, twin_parameters=parameters)


def _folded_onnx_bytes(model: ZooModel) -> int:
    from recurzoo.exporting import export
    from recurzoo.exporting.quantizing import without_soft_banks

    with tempfile.TemporaryDirectory() as folder:
        return export(without_soft_banks(model), Path(folder, "model.onnx"), "onnx").bytes


def format_csv(rows: Iterable[ResultRow]) -> str:
    """Rows as the text of a CSV file; what is not known is empty."""
    return documents.format_csv((row.to_dict() for row in rows), COLUMNS)


def read_csv(path: Path) -> dict[str, ResultRow]:
    """Read a file of results.

    Args:
        path: of the file.

    Returns:
        The rows by their names; none if there is no file.

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
    return {row.name: row for row in rows}


def replace_table(text: str, rows: Sequence[ResultRow]) -> str:
    """A README with its table and its picture written anew.

    Args:
        text: of the README, with both markers, on lines of their own.
        rows: the checkpoints'.

    Returns:
        The new text.

    Raises:
        ValueError: if the markers are not there, once each and in order.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in before + after:
        raise ValueError(
            f"README.md marks where its table of results stands, by one line {BEGIN!r} and one line {END!r} after it. "
            "Received: a text without these; put them back"
        )
    lines = [HEADINGS, HEADINGS.values(), *map(_cells, rows)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    picture = f"![Test accuracy on CIFAR-10 against the bytes of the weights]({PICTURE})"
    return f"{before}{BEGIN}\n\n{picture}\n\n{table}\n\n{END}{after}"


def _cells(row: ResultRow) -> tuple[str, ...]:
    return (
        row.name,
        f"{row.parameters:,}",
        "" if row.share is None else f"{row.share:.0%}",
        _count(row.bytes) or "no weights",
        row.value_in_words,
        row.twin_in_words,
        "" if row.paper_accuracy is None else f"{row.paper_accuracy:.2f}%",
        _count(row.macs),
        _count(row.int8_bytes),
        row.in_words(row.int8_value),
        _count(row.epochs),
        "" if row.training_seconds is None else f"{row.training_seconds / 3600:.2f}",
        row.hardware or "",
    )


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"
