"""Names of the networks for shortest paths: `cnn-20`, `scnn-20`, `scnn-20-r`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from recurzoo.base.errors import UnknownNameError
from recurzoo.families.grammar import NOTHING_SHARED, NUMBER, Family, Reading

# The paper's lambda_R.
RECURRENCE = 0.01


def _read(match: re.Match[str]) -> Reading:
    depth, soft = int(match["depth"]), match["soft"] is not None
    if depth < 1:
        raise UnknownNameError(f"An SCNN has at least one 3x3 convolution. Received: {match[0]!r}")
    arguments: dict[str, Any] = {"depth": depth, "num_templates": "all" if soft else None}
    if match["regularized"]:
        arguments["recurrence"] = RECURRENCE
    words = f"soft: {depth} convolutions share as many templates" if soft else NOTHING_SHARED
    return Reading("recurzoo.families.scnn.network:SCNN", arguments, words)


def _write(model: str, arguments: Mapping[str, Any]) -> str | None:
    if model != "SCNN" or arguments["num_templates"] not in (None, "all") or arguments.get("width", 32) != 32:
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
