"""`recurzoo list` and `recurzoo info`."""

from __future__ import annotations

from typing import Annotated

import typer

from recurzoo.base.records import Report
from recurzoo.cli.options import Json, Name
from recurzoo.zoo.listing import describe_models, describe_outputs, info


def list_(
    pattern: Annotated[
        str, typer.Argument(help="Names with the wildcards * and ?; with a dot in it, checkpoints.")
    ] = "*",
    pretrained: Annotated[bool, typer.Option("--pretrained", help="Only what has weights.")] = False,
    json: Json = False,
) -> Report:
    """List architectures, or checkpoints."""
    return describe_models(pattern, pretrained or None)


def info_(
    name: Name,
    outputs: Annotated[
        bool, typer.Option("--outputs", help="List the states inside, by the names that --outputs and outputs= take.")
    ] = False,
    json: Json = False,
) -> Report:
    """Tell what is known of an architecture or a checkpoint."""
    return describe_outputs(name) if outputs else info(name)
