"""Names of pre-activation ResNets: `preresnet-110`, `preresnet-110-ubn`, `preresnet-110-naive`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from recurzoo.base.errors import UnknownNameError
from recurzoo.families.grammar import NOTHING_SHARED, NUMBER, Family, Reading
from recurzoo.families.grammar_width import WIDTH_SUFFIX, read_width, write_width

WIDTH, UNSHARED = 16, 5
NORMALIZATIONS = {None: "independent", "ubn": "independent", "naive": "shared"}


def _read(match: re.Match[str]) -> Reading:
    name, depth, sharing = match[0], int(match["depth"]), match["sharing"]
    width = read_width(match, WIDTH)
    unshared = None if sharing is None else UNSHARED if match["unshared"] is None else int(match["unshared"])
    blocks = (depth - 2) // 6
    if depth < 8 or (depth - 2) % 6:
        raise UnknownNameError(f"A pre-activation ResNet has a depth of 8, 14, 20, 26, ... Received: {name!r}")
    if unshared is not None and not 1 <= unshared < blocks:
        raise UnknownNameError(
            f"At depth {depth}, 1 to {blocks - 1} of a stage's {blocks} blocks can stay unshared, {UNSHARED} where the "
            f"name does not say. Received: {name!r}"
        )
    if match["unshared"] is not None and unshared == UNSHARED:
        raise UnknownNameError(f"{UNSHARED} unshared blocks are not said in a name. Received: {name!r}")
    arguments = {
        "depth": depth,
        "unshared": unshared,
        "normalization": NORMALIZATIONS[sharing],
        "width": width,
    }
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
