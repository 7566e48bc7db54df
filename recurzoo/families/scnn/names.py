"""The networks for shortest paths: which there are, and their names `cnn-20`, `scnn-20`, `scnn-20-r`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from recurzoo.families.grammar import NOTHING_SHARED, NUMBER, Family, Reading, Templates, can_share, is_count

# The paper's lambda_R.
RECURRENCE = 0.01
WIDTH = 32


def check(depth: int, num_templates: Templates, width: int = WIDTH) -> None:
    """Raise a ValueError if no such network exists."""
    if not is_count(depth) or not can_share(depth, num_templates) or not is_count(width):
        raise ValueError(
            "An SCNN has at least one 3x3 convolution, at most one template a convolution, and a width of at least 1. "
            f"Received: depth={depth}, num_templates={num_templates!r}, width={width}"
        )


def _read(match: re.Match[str]) -> Reading:
    depth, soft = int(match["depth"]), match["soft"] is not None
    arguments: dict[str, Any] = {"depth": depth, "num_templates": "all" if soft else None}
    check(**arguments)
    if match["regularized"]:
        arguments["recurrence"] = RECURRENCE
    words = f"soft: {depth} convolutions share as many templates" if soft else NOTHING_SHARED
    return Reading("recurzoo.families.scnn.network:SCNN", arguments, words)


def _write(model: str, arguments: Mapping[str, Any]) -> str | None:
    if model != "SCNN" or arguments["num_templates"] not in (None, "all") or arguments.get("width", WIDTH) != WIDTH:
        return None
    if arguments["num_templates"] is None:
        return f"cnn-{arguments['depth']}"
    return f"scnn-{arguments['depth']}{'-r' * (arguments.get('recurrence') == RECURRENCE)}"


SCNN = Family(
    name="scnn",
    form="cnn-DEPTH or scnn-DEPTH[-r]",
    pattern=re.compile(f"(?P<soft>s)?cnn-(?P<depth>{NUMBER})(?(soft)(?P<regularized>-r)?)"),
    read=_read,
    write=_write,
)
