"""What a grammar of names is made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple


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
        name: of its file in the catalog.
        form: what its names look like, for error messages.
        pattern: regular expression that every one of its names matches, of valid networks or not.
        read: from the match to a `Reading`; raises UnknownNameError for networks that do not exist.
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


NUMBER = "(0|[1-9][0-9]*)"
NOTHING_SHARED = "none: every convolution has its own kernel"
