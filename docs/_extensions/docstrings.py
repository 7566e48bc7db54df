"""Docstrings of this package mark code as Markdown does; Sphinx reads reStructuredText."""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

CODE = re.compile(r"(?<![`:])`([^`]+)`(?!`)(?=(\w)?)")
# Napoleon, which reads the sections, has 500.
BEFORE_NAPOLEON = 400


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", mark_code, priority=BEFORE_NAPOLEON)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def mark_code(app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Make ``x`` of `x`, also where the word goes on, as in the plural of a name."""
    text = CODE.sub(lambda found: f"``{found[1]}``" + ("\\ " if found[2] else ""), "\n".join(lines))
    lines[:] = text.split("\n")
