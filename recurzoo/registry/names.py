"""The grammar of names: what each says is built, without building it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from recurzoo.errors import UnknownNameError
from recurzoo.registry.grammars.frnn import FRNN
from recurzoo.registry.grammars.grammar import Architecture
from recurzoo.registry.grammars.preresnet import PRERESNET
from recurzoo.registry.grammars.rc import RC
from recurzoo.registry.grammars.relaxed_resnet import RELAXED_RESNET
from recurzoo.registry.grammars.scnn import SCNN
from recurzoo.registry.grammars.swrn import SWRN

FAMILIES = (SWRN, RC, PRERESNET, RELAXED_RESNET, SCNN, FRNN)


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
