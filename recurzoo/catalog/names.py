"""The grammar of names: what each says is built, without building it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from recurzoo.base.documents import shorten
from recurzoo.base.errors import UnknownNameError
from recurzoo.families.frnn.names import FRNN
from recurzoo.families.grammar import Architecture
from recurzoo.families.preresnet.names import PRERESNET
from recurzoo.families.rc.names import RC
from recurzoo.families.relaxed.names import RELAXED_RESNET
from recurzoo.families.scnn.names import SCNN
from recurzoo.families.softened.names import SOFTENED
from recurzoo.families.swrn.names import SWRN

FAMILIES = (SWRN, RC, PRERESNET, RELAXED_RESNET, SCNN, FRNN, SOFTENED)
# Characters of a name: more than any network needs.
LONGEST = 100
# The arguments by which networks share kernels, as they are where nothing is shared.
UNSHARED = {"num_templates": None, "recurrent": False, "unshared": None, "method": "none", "weights": "independent"}


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
    if len(name) > LONGEST:
        raise UnknownNameError(f"A name has at most {LONGEST} characters. Received: {shorten(name)}")
    for family in FAMILIES:
        if match := family.pattern.fullmatch(name):
            try:
                return Architecture(name, family.name, *family.read(match))
            except UnknownNameError:
                raise
            except ValueError as error:
                # What the class says to these arguments.
                raise UnknownNameError(f"{error}, from the name {name!r}") from None
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


def plain_twin(architecture: Architecture) -> str | None:
    """The name of the same network with nothing shared; None if this is it, or the grammar has no name for it."""
    unshared = {key: value for key, value in UNSHARED.items() if key in architecture.arguments}
    name = name_of(architecture.model.partition(":")[2], {**architecture.arguments, **unshared})
    return None if name == architecture.name else name
