"""The name of all networks that softening made of Keras models: `softened`; which they are, their configs say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from recurzoo.families.grammar import Family, Reading

NAME = "softened"


def _read(match: re.Match[str]) -> Reading:
    words = "soft: layers of one kernel shape and role share templates"
    return Reading("recurzoo.families.softened.network:Softened", {}, words)


def _write(model: str, arguments: Mapping[str, Any]) -> str | None:
    return NAME if model == "Softened" else None


SOFTENED = Family(
    name=NAME, form=f"{NAME} (made by recurzoo.soften)", pattern=re.compile(NAME), read=_read, write=_write
)
