"""The table of results in README.md: the text between two markers, written anew."""

from __future__ import annotations

from collections.abc import Sequence

from recurzoo.catalog import catalog
from recurzoo.checkpoints.scores import describe
from recurzoo.results.row import ResultRow

BEGIN, END = "<!-- results: written by `recurzoo results --write` -->", "<!-- end of results -->"
HEADINGS = ("checkpoint", "parameters", "bytes on disk", "folded ONNX bytes", "accuracy or F1", "epochs", "hardware")


def format_table(rows: Sequence[ResultRow]) -> str:
    """The results as a Markdown table, and below it what a figure needs to be read rightly.

    Args:
        rows: the checkpoints'.

    Returns:
        Text, without a newline at its end.
    """
    lines = [HEADINGS, ("---", "---:", "---:", "---:", "---", "---:", "---"), *map(_cells, rows)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return "\n\n".join([table, *_remarks(rows)])


def replace_table(text: str, rows: Sequence[ResultRow]) -> str:
    """A README with its table written anew.

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
    return f"{before}{BEGIN}\n\n{format_table(rows)}\n\n{END}{after}"


def _cells(row: ResultRow) -> tuple[str, ...]:
    counts = (row.parameters, row.bytes, row.folded_onnx_bytes)
    epochs = "" if row.epochs is None else str(row.epochs)
    minutes = None if row.training_seconds is None else f"{row.training_seconds / 60:.0f} minutes"
    made = ", ".join(filter(None, [row.hardware, minutes]))
    told = ("" if count is None else f"{count:,}" for count in counts)
    return (f"`{row.checkpoint}`", *told, describe(row.headline), epochs, made)


def _remarks(rows: Sequence[ResultRow]) -> list[str]:
    remarks = ["Every figure is of one run."] if rows and all(row.runs == 1 for row in rows) else []
    with_rows = {(row.architecture, row.dataset) for row in rows}
    for row in rows:
        if row.baseline is not None and (row.baseline, row.dataset) not in with_rows:
            facts = catalog.architecture_facts(row.baseline)
            size = f" ({facts.parameters:,} parameters)" if facts else ""
            has = describe(row.baseline_headline)
            remarks.append(f"By the recipe of `{row.checkpoint}`, `{row.baseline}`{size} has {has}.")
    for data, note in sorted({(row.dataset or "", row.data_note) for row in rows if row.data_note}):
        of_data = [row for row in rows if row.dataset == data]
        noted = [row for row in of_data if row.data_note == note]
        whose = data if len(noted) == len(of_data) else ", ".join(f"`{row.checkpoint}`" for row in noted)
        remarks.append(f"The images of {whose} were {note}.")
    return ["\n".join(remarks)] if remarks else []
