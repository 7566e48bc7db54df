"""What grammars of names, and the rules that say which networks exist, are made of. No Keras."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from recurzoo.base.errors import UnknownNameError


class Reading(NamedTuple):
    """What a name says.

    Attributes:
        model: `"module:Class"`.
        arguments: of that class.
        sharing: how the network shares its kernels, in words.
    """

    model: str
    arguments: dict[str, Any]
    sharing: str


@dataclass(frozen=True)
class Family:
    """How the architectures of one paper are named.

    Args:
        name: of its folder.
        form: what its names look like, for error messages.
        pattern: regular expression that every one of its names matches, of networks that exist or not.
        read: from the match to a `Reading`; raises the class's own ValueError for networks that do not exist, and
            UnknownNameError for a second name of a network that has one.
        write: from the class's name and arguments back to the name, or None where the grammar has none.
    """

    name: str
    form: str
    pattern: re.Pattern[str]
    read: Callable[[re.Match[str]], Reading]
    write: Callable[[str, Mapping[str, Any]], str | None]


@dataclass(frozen=True)
class Architecture:
    """An architecture that a name stands for; the fields are those of `Family` and `Reading`."""

    name: str
    family: str
    model: str
    arguments: Mapping[str, Any]
    sharing: str


# Of at most six digits, more than any network has of anything.
NUMBER = "(0|[1-9][0-9]{0,5})"
WIDTH_SUFFIX = f"(-w(?P<width>{NUMBER}))?"
NOTHING_SHARED = "none: every convolution has its own kernel"


def read_width(match: re.Match[str], default: int) -> int:
    """The width that `-wWIDTH` says, where a pattern with `WIDTH_SUFFIX` matched.

    Args:
        match: of the whole name.
        default: the width of names that say none.

    Returns:
        int.

    Raises:
        UnknownNameError: if the name says the default, which would give one network two names.
    """
    width = default if match["width"] is None else int(match["width"])
    if match["width"] and width == default:
        raise UnknownNameError(
            f"Here {default} channels are not said in a name. Received: {match[0]!r}; leave -w{default} out"
        )
    return width


def write_width(width: int, default: int) -> str:
    """What a name says of a width: nothing of the default."""
    return "" if width == default else f"-w{width}"


Templates = int | Literal["all"] | None


def is_count(number: Any, least: int = 1) -> bool:
    """Whether a number is an int, and not less than `least`."""
    return isinstance(number, int) and number >= least


def can_share(slots: int, num_templates: Templates) -> bool:
    """Whether convolutions can share so many templates.

    Args:
        slots: int, how many convolutions there are.
        num_templates: int, at most one a convolution; `"all"` for just as many; None for no sharing, always possible.
    """
    count = slots if num_templates == "all" else num_templates
    return count is None or (is_count(count) and count <= slots)
