"""The grammar of names: what each says is built, without building it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from recurzoo.registry.grammars.frnn import FRNN
from recurzoo.registry.grammars.grammar import NUMBER, Architecture, Family, Reading, UnknownNameError
from recurzoo.registry.grammars.preresnet import PRERESNET
from recurzoo.registry.grammars.rc import RC
from recurzoo.registry.grammars.relaxed_resnet import RELAXED_RESNET
from recurzoo.registry.grammars.scnn import SCNN

BOTTLENECK_DEPTHS = (50, 101, 152)


def _read_swrn(match: re.Match[str]) -> Reading:
    name, soft = match[0], match["soft"] is not None
    depth, width = int(match["depth"]), int(match["width"])
    templates: int | str | None = int(match["templates"]) if match["templates"] else "all" if soft else None
    arguments = {"depth": depth, "width": width, "num_templates": templates}
    if depth in BOTTLENECK_DEPTHS:
        # The first convolution of three bottlenecks, the fewest of any stage, has another input and stays out.
        model, slots, sharers = (
            "recurzoo.models.bottleneck_swrn:BottleneckSWRN",
            2,
            "convolutions of one kind in a stage",
        )
    else:
        slots = (depth - 4) // 3 - 2
        model, sharers = "recurzoo.models.swrn:SWRN", f"{slots} convolutions a stage"
        if depth < 10 or (depth - 4) % 6:
            depths = f"10, 16, 22, 28, ... or, with bottlenecks, {', '.join(map(str, BOTTLENECK_DEPTHS))}"
            raise UnknownNameError(f"A Wide ResNet has a depth of {depths}. Received: {name!r}")
    if width < 1:
        raise UnknownNameError(f"A Wide ResNet has a width of at least 1. Received: {name!r}")
    if not soft:
        return Reading(model, arguments, "none: every convolution has its own kernel")
    if not slots:
        raise UnknownNameError(f"At depth {depth} no convolutions can share; take 16 or more. Received: {name!r}")
    if isinstance(templates, int) and not 1 <= templates <= slots:
        raise UnknownNameError(f"At depth {depth}, 1 to {slots} templates can be shared. Received: {name!r}")
    count = {"all": "as many templates", 1: "1 template"}.get(templates, f"{templates} templates")
    return Reading(model, arguments, f"soft: {sharers} share {count}")


def _write_swrn(model: str, arguments: Mapping[str, Any]) -> str | None:
    if model not in ("SWRN", "BottleneckSWRN"):
        return None
    templates = arguments["num_templates"]
    stem = f"{'wrn' if templates is None else 'swrn'}-{arguments['depth']}-{arguments['width']}"
    return stem if templates in (None, "all") else f"{stem}-{templates}"


FAMILIES = (
    Family(
        name="swrn",
        form="swrn-DEPTH-WIDTH[-TEMPLATES] or wrn-DEPTH-WIDTH",
        pattern=re.compile(
            f"(?P<soft>s)?wrn-(?P<depth>{NUMBER})-(?P<width>{NUMBER})(?(soft)(-(?P<templates>{NUMBER}))?)"
        ),
        read=_read_swrn,
        write=_write_swrn,
    ),
    RC,
    PRERESNET,
    RELAXED_RESNET,
    SCNN,
    FRNN,
)


def parse(name: str, known: Iterable[str] = ()) -> Architecture:
    """Read the name of an architecture.

    Args:
        name: such as `"swrn-28-10-2"`.
        known: names to suggest one of, if this one names nothing.

    Returns:
        An `Architecture`.

    Raises:
        UnknownNameError: if no network has this name; a ValueError.
    """
    for family in FAMILIES:
        if match := family.pattern.fullmatch(name):
            return Architecture(name, family.name, *family.read(match))
    near = difflib.get_close_matches(name, list(known), n=3)
    advice = f"did you mean {' or '.join(near)}?" if near else f"names are {'; '.join(f.form for f in FAMILIES)}"
    raise UnknownNameError(f"No architecture has this name. Received: {name!r}; {advice}")


def name_of(model: str, arguments: Mapping[str, Any]) -> str | None:
    """The name of the architecture that a class builds from some arguments, or None if it has none.

    Args:
        model: the class's name.
        arguments: of its constructor.
    """
    return next((name for family in FAMILIES if (name := family.write(model, arguments))), None)


def split_tag(name: str) -> tuple[str, str | None]:
    """Split the name of a checkpoint into architecture and tag, `dataset` or `dataset.variant`.

    Args:
        name: of a checkpoint or an architecture.

    Returns:
        The architecture's name, and the tag or None.
    """
    architecture, dot, tag = name.partition(".")
    return architecture, tag if dot else None
