"""ResNets with relaxed sharing and their baselines: which there are, and their names `resnet-110-relaxed-all`, ..."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from recurzoo.base.errors import UnknownNameError
from recurzoo.families.grammar import NOTHING_SHARED, NUMBER, Family, Reading, is_count

SMALLEST = 12
Method = Literal["none", "raw", "relaxed", "minimal"]
Levels = Literal["middle", "all"]


def count_blocks(blocks: Sequence[int], method: str, levels: str) -> tuple[int, ...]:
    """The blocks that each level really has but for padding blocks: one, where the method is minimal.

    Raises:
        ValueError: if no such network exists.
    """
    if method not in get_args(Method) or levels not in get_args(Levels):
        raise ValueError(
            f"A method is one of {get_args(Method)}, on levels {get_args(Levels)}. "
            f"Received: method={method!r}, levels={levels!r}"
        )
    if len(blocks) != 3 or not all(map(is_count, blocks)):
        raise ValueError(f"Each of three levels has at least one block. Received: blocks={tuple(blocks)}")
    chosen = [method if holds(levels, index) else "none" for index in range(3)]
    if any(one in ("raw", "relaxed") and count < 2 for one, count in zip(chosen, blocks, strict=True)):
        raise ValueError(f"Sharing takes at least two blocks a level. Received: blocks={tuple(blocks)}")
    return tuple(1 if one == "minimal" else count for one, count in zip(chosen, blocks, strict=True))


def holds(levels: str, index: int) -> bool:
    """Whether a method holds in the level of this number, counted from 0."""
    return levels == "all" or index == 1


def _blocks(depth: int) -> tuple[int, int, int] | None:
    """The blocks of each level but for padding blocks: as many in all levels, or one more where no padding block is."""
    # Stem, head, and two layers in each block, two padding blocks among them.
    count = depth // 2 - 3
    fits = depth >= SMALLEST and depth % 6 in (0, 2)
    return (count - 2 * (count // 3), count // 3, count // 3) if fits else None


def _read(match: re.Match[str]) -> Reading:
    name, depth, method, levels = match[0], int(match["depth"]), match["method"] or "none", match["levels"] or "all"
    blocks = _blocks(depth)
    if blocks is None:
        raise UnknownNameError(f"A ResNet has a depth of 12, 14, 18, 20, 24, 26, ... Received: {name!r}")
    if method == "minimal" and levels == "all":
        raise UnknownNameError(
            f"Minimal on all levels is the same network at every depth. Received: {name!r}; name it resnet-{SMALLEST}"
        )
    if method == "minimal" and blocks[1] == 1:
        raise UnknownNameError(f"At depth {depth} the middle level has one block already. Received: {name!r}")
    count_blocks(blocks, method, levels)
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
        blocks, method = (1, 1, 1) if levels == "all" else (blocks[0], 1, blocks[2]), "none"
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
