"""`recurzoo predict` and `recurzoo evaluate`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from recurzoo.base.records import Report
from recurzoo.cli.options import NAME_HELP, Data, Json, Limit, Name


def predict_(
    name: Name,
    images: Annotated[
        list[str],
        typer.Argument(metavar="IMAGE...", help="Image files, folders of them, wildcards; - for standard input."),
    ],
    top: Annotated[int, typer.Option("--top", min=1, help="How many classes to show.")] = 5,
    json: Json = False,
) -> Report:
    """Classify images."""
    from recurzoo.data.images import MOST_BYTES
    from recurzoo.zoo.predicting import predict

    # One byte more than an image may have, so that its end is not cut off without a word.
    return predict(name, [sys.stdin.buffer.read(MOST_BYTES + 1) if image == "-" else image for image in images], top)


def evaluate_(
    name: Annotated[str, typer.Argument(metavar="NAME", help=f"{NAME_HELP[:-1]}; or an exported file.")],
    data: Data,
    limit: Limit = None,
    json: Json = False,
) -> Report:
    """Measure a checkpoint or an exported file on test examples."""
    from recurzoo.exporting.evaluating import evaluate_file, is_file
    from recurzoo.zoo.evaluating import evaluate

    return evaluate_file(name, data, limit) if is_file(name) else evaluate(name, data, limit)
