"""Pre-activation ResNets: which there are, and their names `preresnet-110`, `preresnet-110-ubn`, `-naive`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

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

WIDTH, UNSHARED = 16, 5
NORMALIZATIONS = {None: "independent", "ubn": "independent", "naive": "shared"}


def count_blocks(depth: int, unshared: int | None, normalization: str, width: int, extra_steps: int = 0) -> int:
    """How many blocks each stage has.

    Raises:
        ValueError: if no such network exists.
    """
    if not is_count(depth, 8) or (depth - 2) % 6 or not is_count(width):
        raise ValueError(
            "A pre-activation ResNet has a depth of 8, 14, 20, 26, ... and a width of at least 1. "
            f"Received: depth={depth}, width={width}"
        )
    blocks = (depth - 2) // 6
    if unshared is not None and not (is_count(unshared) and unshared < blocks):
        raise ValueError(
            f"At depth {depth}, 1 to {blocks - 1} of a stage's {blocks} blocks can stay unshared, {UNSHARED} where a "
            f"name does not say. Received: unshared={unshared!r}"
        )
    if normalization not in ("independent", "shared"):
        raise ValueError(
            f'A shared block\'s normalization is "independent" or "shared". Received: normalization={normalization!r}'
        )
    if not is_count(extra_steps, 0) or (extra_steps and blocks == 1):
        raise ValueError(
            "A last block that keeps the shape can be repeated, from depth 14 on, zero times or more. "
            f"Received: extra_steps={extra_steps}, depth={depth}"
        )
    return blocks


def _read(match: re.Match[str]) -> Reading:
    sharing = match["sharing"]
    unshared = None if sharing is None else int(match["unshared"] or UNSHARED)
    if match["unshared"] and unshared == UNSHARED:
        raise UnknownNameError(f"{UNSHARED} unshared blocks are not said in a name. Received: {match[0]!r}")
    arguments: dict[str, Any] = {
        "depth": int(match["depth"]),
        "unshared": unshared,
        "normalization": NORMALIZATIONS[sharing],
        "width": read_width(match, WIDTH),
    }
    blocks = count_blocks(**arguments)
    words = NOTHING_SHARED
    if unshared is not None:
        words = f"hard: after {unshared} blocks of a stage, the next one is applied {blocks - unshared} times"
    return Reading("recurzoo.families.preresnet.network:PreActivationResNet", arguments, words)


def _write(model: str, arguments: Mapping[str, Any]) -> str | None:
    # An unrolled last block is something to try on a network, not another one.
    if model != "PreActivationResNet" or arguments.get("extra_steps"):
        return None
    unshared, width = arguments["unshared"], arguments["width"]
    stem = f"preresnet-{arguments['depth']}{write_width(width, WIDTH)}"
    if unshared is None:
        return stem
    sharing = "ubn" if arguments["normalization"] == "independent" else "naive"
    return f"{stem}-{sharing}{'' if unshared == UNSHARED else f'-u{unshared}'}"


PRERESNET = Family(
    name="preresnet",
    form="preresnet-DEPTH[-wWIDTH][-ubn|-naive[-uUNSHARED]]",
    pattern=re.compile(
        f"preresnet-(?P<depth>{NUMBER}){WIDTH_SUFFIX}(-(?P<sharing>ubn|naive)(-u(?P<unshared>{NUMBER}))?)?"
    ),
    read=_read,
    write=_write,
)
