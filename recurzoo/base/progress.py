"""A bar on standard error for what takes long; nothing where that is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TypeVar

from rich.console import Console
from rich.progress import track as show_progress

Item = TypeVar("Item")


def track(items: Iterable[Item], what: str, total: int | None = None) -> Iterable[Item]:
    """Go through items under a bar that says how many are done and how long the others will take.

    Args:
        items: what to go through.
        what: what is done, in a word or two.
        total: int, how many items there are, where they cannot tell.

    Returns:
        The items.
    """
    console = Console(file=sys.stderr)
    return show_progress(items, what, total, console=console, transient=True, disable=not console.is_terminal)
