"""`recurzoo benchmark`."""

from __future__ import annotations

from typing import Annotated

import typer

from recurzoo.base.records import Report
from recurzoo.cli.options import Json


def benchmark_(
    name: Annotated[str, typer.Argument(metavar="NAME", help="An architecture.")],
    against: Annotated[str | None, typer.Option("--against", help="Another, to compare with.")] = None,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Images a step.")] = 32,
    pairs: Annotated[int, typer.Option("--pairs", min=1, help="Interleaved timings of each task.")] = 20,
    bound: Annotated[
        float | None, typer.Option("--bound", metavar="RATIO", help="The time ratio that must not be exceeded.")
    ] = None,
    json: Json = False,
) -> Report:
    """Time training and prediction, alone or against another.

    Times are ratios, and shares of the machine's peak.

    With --bound, the exit status is 1 if even the lower end of a time ratio's interval exceeds it.
    """
    from recurzoo.benchmarking import benchmark

    return benchmark(name, against, batch, pairs, bound=bound)
