"""`recurzoo results` and `recurzoo verify`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from recurzoo.base.records import Report
from recurzoo.cli.options import Json, OptionalData, OptionalName


def results_(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="With --data: the checkpoints to measure in int8; default: all.", show_default=False),
    ] = None,
    write: Annotated[
        bool,
        typer.Option(
            "--write", help="In a clone: measure all anew, and write results.csv and README's table and picture."
        ),
    ] = False,
    data: Annotated[
        str | None,
        typer.Option("--data", help="With --write: a data set; checkpoints of its classes are measured in int8 too."),
    ] = None,
    json: Json = False,
) -> Report:
    """Show what each checkpoint costs and reaches.

    Operations and bytes of exports are as last measured.
    """
    from recurzoo.results import table

    if write:
        return table.write_results(table.CLONE, data, _report, names or ())
    if data is not None or names:
        received = f"--data {data}" if data is not None else " ".join(names or ())
        raise ValueError(f"Results are measured where they are written. Received: {received}; add --write")
    return table.list_results()


def verify_(name: OptionalName = None, data: OptionalData = None, json: Json = False) -> Report:
    """Compare checkpoints with their records.

    With --data, those whose test examples these are are measured again. On the recorded backend, accuracies and F1
    must be equal, on another one within 0.001; a loss within 0.0001.
    """
    from recurzoo.results.verify import verify

    return verify(name, data, _report)


def _report(line: str) -> None:
    print(line, file=sys.stderr)
