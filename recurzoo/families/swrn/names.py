"""Names of Wide ResNets, softly shared or plain: `swrn-28-10-2`, `swrn-28-10`, `wrn-28-10`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from recurzoo.base.errors import UnknownNameError
from recurzoo.families.grammar import NOTHING_SHARED, NUMBER, Family, Reading

BOTTLENECK_DEPTHS = (50, 101, 152)


def _read(match: re.Match[str]) -> Reading:
    name, soft = match[0], match["soft"] is not None
    depth, width = int(match["depth"]), int(match["width"])
    templates: int | str | None = int(match["templates"]) if match["templates"] else "all" if soft else None
    arguments = {"depth": depth, "width": width, "num_templates": templates}
    if depth in BOTTLENECK_DEPTHS:
        # The first convolution of three bottlenecks, the fewest of any stage, has another input and stays out.
        model, slots, sharers = (
            "recurzoo.families.swrn.bottleneck:BottleneckSWRN",
            2,
            "convolutions of one kind in a stage",
        )
    else:
        slots = (depth - 4) // 3 - 2
        model, sharers = "recurzoo.families.swrn.network:SWRN", f"{slots} convolutions a stage"
        if depth < 10 or (depth - 4) % 6:
            depths = f"10, 16, 22, 28, ... or, with bottlenecks, {', '.join(map(str, BOTTLENECK_DEPTHS))}"
            raise UnknownNameError(f"A Wide ResNet has a depth of {depths}. Received: {name!r}")
    if width < 1:
        raise UnknownNameError(f"A Wide ResNet has a width of at least 1. Received: {name!r}")
    if not soft:
        return Reading(model, arguments, NOTHING_SHARED)
    if not slots:
        raise UnknownNameError(f"At depth {depth} no convolutions can share; take 16 or more. Received: {name!r}")
    if isinstance(templates, int) and not 1 <= templates <= slots:
        raise UnknownNameError(f"At depth {depth}, 1 to {slots} templates can be shared. Received: {name!r}")
    count = {"all": "as many templates", 1: "1 template"}.get(templates, f"{templates} templates")
    return Reading(model, arguments, f"soft: {sharers} share {count}")


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
