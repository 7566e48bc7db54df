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
    input_: Annotated[
        bool, typer.Option("--input", help="Time decoding of images instead, against the training step.")
    ] = False,
    data: Annotated[
        str | None,
        typer.Option("--data", help="Of --input: what is decoded, tfds:NAME or a folder; by default, made JPEG files."),
    ] = None,
    json: Json = False,
) -> Report:
    """Time training and prediction, alone or against another.

    Times are ratios, and shares of the machine's peak.

    With --bound, the exit status is 1 if even the lower end of a time ratio's interval exceeds it.
    """
    from recurzoo.benchmarking import benchmark, benchmark_input

    if input_:
        if against is not None or bound is not None:
            raise ValueError("--input times one network's images. Received: --against or --bound; leave them out")
        return benchmark_input(name, data, batch, pairs)
    if data is not None:
        raise ValueError(f"Only --input decodes data. Received: --data {data}; add --input, or leave it out")
    return benchmark(name, against, batch, pairs, bound=bound)
