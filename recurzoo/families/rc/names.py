"""Names of recurrent convolutions: `rc-4`, `rc-4-w16`, `rc-4-shared-bn`, and their untied twins, `rc-resnet-18`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from recurzoo.base.errors import UnknownNameError
from recurzoo.families.grammar import NOTHING_SHARED, NUMBER, Family, Reading
from recurzoo.families.grammar_width import WIDTH_SUFFIX, read_width, write_width

WIDTH = 64
NORMALIZATIONS = {None: "independent", "shared": "shared", "no": "none"}


def _read(match: re.Match[str]) -> Reading:
    recurrent = match["depth"] is None
    width = read_width(match, WIDTH)
    # Stem and head, and two convolutions a step in two cells.
    steps = int(match["steps"]) if recurrent else (int(match["depth"]) - 2) // 4
    if not recurrent and (int(match["depth"]) < 6 or (int(match["depth"]) - 2) % 4):
        raise UnknownNameError(f"An untied RC network has a depth of 6, 10, 14, 18, ... Received: {match[0]!r}")
    if steps < 1:
        raise UnknownNameError(f"An RC network has at least one step. Received: {match[0]!r}")
    arguments = {
        "steps": steps,
        "width": width,
        "normalization": NORMALIZATIONS[match["normalization"]],
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
