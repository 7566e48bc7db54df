"""The part of a name that says a width, `-wWIDTH`, as several families have it."""

from __future__ import annotations

import re

from recurzoo.base.errors import UnknownNameError
from recurzoo.families.grammar import NUMBER

WIDTH_SUFFIX = f"(-w(?P<width>{NUMBER}))?"


def read_width(match: re.Match[str], default: int) -> int:
    """The width that `-wWIDTH` says, where a pattern with `WIDTH_SUFFIX` matched.

    Args:
        match: of the whole name.
        default: the width of names that say none.

    Returns:
        int.

    Raises:
        UnknownNameError: if it is zero, or the default, which would give one network two names.
    """
    if match["width"] is None:
        return default
    width = int(match["width"])
    if width < 1:
        raise UnknownNameError(f"A network has a width of at least 1. Received: {match[0]!r}")
    if width == default:
        raise UnknownNameError(
            f"Here {default} channels are not said in a name. Received: {match[0]!r}; leave -w{default} out"
        )
    return width


def write_width(width: int, default: int) -> str:
    """What a name says of a width: nothing of the default."""
    return "" if width == default else f"-w{width}"
