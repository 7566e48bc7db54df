"""Recurrent convolutions: which there are, and their names `rc-4`, `rc-4-w16`, `rc-4-shared-bn`, `rc-resnet-18`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, get_args

from recurzoo.base.errors import UnknownNameError
from recurzoo.families.grammar import (
    NOTHING_SHARED,
    NUMBER,
    WIDTH_SUFFIX,
    Family,
    Reading,
    is_count,
    read_width,
    write_width,
)

WIDTH = 64
RCNormalization = Literal["independent", "shared", "none"]
NORMALIZATIONS = {None: "independent", "shared": "shared", "no": "none"}


def check(steps: int, width: int, normalization: str) -> None:
    """Raise a ValueError if no such network exists."""
    if not is_count(steps) or not is_count(width):
        raise ValueError(
            f"An RC network has at least one step and a width of at least 1. Received: steps={steps}, width={width}"
        )
    if normalization not in get_args(RCNormalization):
        raise ValueError(
            f"The steps' normalization is one of {get_args(RCNormalization)}. Received: normalization={normalization!r}"
        )


def _read(match: re.Match[str]) -> Reading:
    recurrent, width = match["depth"] is None, read_width(match, WIDTH)
    # Stem and head, and two convolutions a step in two cells.
    steps, rest = (int(match["steps"]), 0) if recurrent else divmod(int(match["depth"]) - 2, 4)
    if rest:
        raise UnknownNameError(f"An untied RC network has a depth of 6, 10, 14, 18, ... Received: {match[0]!r}")
    normalization = NORMALIZATIONS[match["normalization"]]
    check(steps, width, normalization)
    arguments = {
        "steps": steps,
        "width": width,
        "normalization": normalization,
        "recurrent": recurrent,
        "pre_activation": match["preact"] is not None,
    }
    words = f"hard: the one block of each cell is applied {'once' if steps == 1 else f'{steps} times'}"
    return Reading("recurzoo.families.rc.network:RC", arguments, words if recurrent else NOTHING_SHARED)


def _write(model: str, arguments: Mapping[str, Any]) -> str | None:
    if model != "RC":
        return None
    steps, width, normalization = arguments["steps"], arguments["width"], arguments["normalization"]
    stem = f"rc-{steps}" if arguments["recurrent"] else f"rc-resnet-{4 * steps + 2}"
    suffix = {"independent": "", "shared": "-shared-bn", "none": "-no-bn"}[normalization]
    return f"{stem}{write_width(width, WIDTH)}{'-preact' * arguments['pre_activation']}{suffix}"


RC = Family(
    name="rc",
    form="rc-STEPS or rc-resnet-DEPTH, each with [-wWIDTH][-preact][-shared-bn|-no-bn]",
    pattern=re.compile(
        f"rc-((?P<steps>{NUMBER})|resnet-(?P<depth>{NUMBER})){WIDTH_SUFFIX}(?P<preact>-preact)?"
        "(-(?P<normalization>shared|no)-bn)?"
    ),
    read=_read,
    write=_write,
)
