"""Packages that only some uses need, imported where they are used."""

from __future__ import annotations

import importlib
from typing import Any


def import_optional(module: str, package: str) -> Any:
    """Import a module of a package that may not be installed.

    Args:
        module: its full name.
        package: what pip installs it by, such as `"recurzoo[digits]"`.

    Returns:
        The module.

    Raises:
        ImportError: if it is not installed; it says how to do that.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ImportError(
            f'A package is missing: {error}. Received: {module}; install it by: pip install "{package}"',
            name=error.name,
        ) from None
