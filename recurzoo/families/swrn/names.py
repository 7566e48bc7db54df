"""Wide ResNets, softly shared or plain: which there are, and their names `swrn-28-10-2`, `swrn-28-10`, `wrn-28-10`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from recurzoo.families.grammar import NOTHING_SHARED, NUMBER, Family, Reading, Templates, can_share, is_count

# The bottlenecks of each stage, by depth.
BOTTLENECKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def count_slots(depth: int, width: int, num_templates: Templates) -> int:
    """How many convolutions of a stage share templates: all but the two of its first block.

    Raises:
        ValueError: if no such network exists.
    """
    if not is_count(depth, 10) or (depth - 4) % 6 or not is_count(width):
        raise ValueError(
            "A Wide ResNet has a depth of 10, 16, 22, 28, ... (with bottlenecks of "
            f"{', '.join(map(str, BOTTLENECKS))}) and a width of at least 1. Received: depth={depth}, width={width}"
        )
    slots = (depth - 4) // 3 - 2
    if not slots and num_templates is not None:
        raise ValueError(
            f"At depth {depth} no convolutions can share; take 16 or more. Received: num_templates={num_templates!r}"
        )
    _check_templates(depth, slots, num_templates)
    return slots


def count_bottlenecks(depth: int, width: int, num_templates: Templates) -> tuple[int, ...]:
    """How many bottlenecks each stage has.

    Raises:
        ValueError: if no such network exists.
    """
    if depth not in BOTTLENECKS or not is_count(width):
        raise ValueError(
            f"A bottleneck Wide ResNet has a depth of {', '.join(map(str, BOTTLENECKS))} and a width of at least 1. "
            f"Received: depth={depth}, width={width}"
        )
    # A stage's first convolution has another input and stays out of its bank.
    _check_templates(depth, min(BOTTLENECKS[depth]) - 1, num_templates)
    return BOTTLENECKS[depth]


def _check_templates(depth: int, slots: int, num_templates: Templates) -> None:
    if not can_share(slots, num_templates):
        raise ValueError(
            f"At depth {depth}, {slots} convolutions of a stage can share 1 to {slots} templates. "
            f"Received: num_templates={num_templates!r}"
        )


def _read(match: re.Match[str]) -> Reading:
    soft, depth, width = match["soft"] is not None, int(match["depth"]), int(match["width"])
    templates: Any = int(match["templates"]) if match["templates"] else "all" if soft else None
    if depth in BOTTLENECKS:
        count_bottlenecks(depth, width, templates)
        model, sharers = "bottleneck:BottleneckSWRN", "convolutions of one kind in a stage"
    else:
        model, sharers = "network:SWRN", f"{count_slots(depth, width, templates)} convolutions a stage"
    count = {"all": "as many templates", 1: "1 template"}.get(templates, f"{templates} templates")
    return Reading(
        f"recurzoo.families.swrn.{model}",
        {"depth": depth, "width": width, "num_templates": templates},
        f"soft: {sharers} share {count}" if soft else NOTHING_SHARED,
    )


def _write(model: str, arguments: Mapping[str, Any]) -> str | None:
    if model not in ("SWRN", "BottleneckSWRN"):
        return None
    templates = arguments["num_templates"]
    stem = f"{'wrn' if templates is None else 'swrn'}-{arguments['depth']}-{arguments['width']}"
    return stem if templates in (None, "all") else f"{stem}-{templates}"


SWRN = Family(
    name="swrn",
    form="swrn-DEPTH-WIDTH[-TEMPLATES] or wrn-DEPTH-WIDTH",
    pattern=re.compile(f"(?P<soft>s)?wrn-(?P<depth>{NUMBER})-(?P<width>{NUMBER})(?(soft)(-(?P<templates>{NUMBER}))?)"),
    read=_read,
    write=_write,
)
