"""Names of ResNets with relaxed sharing and their baselines: `resnet-110`, `resnet-110-relaxed-all`, `resnet-12`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from recurzoo.base.errors import UnknownNameError
from recurzoo.families.grammar import NOTHING_SHARED, NUMBER, Family, Reading

SMALLEST = 12


def _blocks(depth: int) -> tuple[int, int, int] | None:
    """The blocks of each level but for padding blocks: as many in all levels, or one more where no padding block is."""
    # Stem, head, and two layers in each block, two padding blocks among them.
    count = depth // 2 - 3
    fits = depth >= SMALLEST and depth % 6 in (0, 2)
    return (count - 2 * (count // 3), count // 3, count // 3) if fits else None


def _read(match: re.Match[str]) -> Reading:
    name, depth, method = match[0], int(match["depth"]), match["method"] or "none"
    blocks = _blocks(depth)
    if blocks is None:
        raise UnknownNameError(f"A ResNet has a depth of 12, 14, 18, 20, 24, 26, ... Received: {name!r}")
    levels = match["levels"] or "all"
    if method == "minimal" and levels == "all":
        raise UnknownNameError(
            f"Minimal on all levels is the same network at every depth. Received: {name!r}; name it resnet-{SMALLEST}"
        )
    if method != "none" and blocks[1] < 2:
        raise UnknownNameError(f"At depth {depth} the middle level has one block already. Received: {name!r}")
    where = "the middle level" if levels == "middle" else "each level"
    words = {
        "none": NOTHING_SHARED,
        "minimal": f"none: {where} has one block",
        "raw": f"hard: one pair of kernels for all blocks of {where}",
        "relaxed": f"relaxed: the kernels of all blocks of {where} are drawn to one pair, which takes their place",
    }
    arguments = {"blocks": blocks, "method": method, "levels": levels}
    return Reading("recurzoo.families.relaxed.network:RelaxedResNet", arguments, words[method])


def _write(model: str, arguments: Mapping[str, Any]) -> str | None:
    if model != "RelaxedResNet":
        return None
    blocks, method, levels = tuple(arguments["blocks"]), arguments["method"], arguments["levels"]
    if method == "minimal":
        blocks = (1, 1, 1) if levels == "all" else (blocks[0], 1, blocks[2])
        method = "none"
    for middle, suffix in ((blocks[1], ""), (blocks[2], "-minimal-middle")):
        depth = 2 * (blocks[0] + middle + blocks[2]) + 6
        if _blocks(depth) == (blocks[0], middle, blocks[2]) and (not suffix or (blocks[1] == 1 and method == "none")):
            return f"resnet-{depth}{suffix or ('' if method == 'none' else f'-{method}-{levels}')}"
    return None


RELAXED_RESNET = Family(
    name="relaxed",
    form="resnet-DEPTH[-raw|-relaxed|-minimal, then -middle|-all]",
    pattern=re.compile(f"resnet-(?P<depth>{NUMBER})(-(?P<method>raw|relaxed|minimal)-(?P<levels>middle|all))?"),
    read=_read,
    write=_write,
)
