"""What Sphinx reads of the code: docstrings that mark code as Markdown does, and the signatures of layers."""

from __future__ import annotations

import inspect
import re
from typing import Any

from sphinx.application import Sphinx
from sphinx.util.inspect import stringify_signature

CODE = re.compile(r"(?<![`:])`([^`]+)`(?!`)(?=(\w)?)")
# Napoleon, which reads the sections, has 500.
BEFORE_NAPOLEON = 400


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", mark_code, priority=BEFORE_NAPOLEON)
    app.connect("autodoc-process-signature", show_arguments)
    app.connect("autodoc-skip-member", skip_fields)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def mark_code(app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Make ``x`` of `x`, also where the word goes on, as in the plural of a name."""
    text = CODE.sub(lambda found: f"``{found[1]}``" + ("\\ " if found[2] else ""), "\n".join(lines))
    lines[:] = text.split("\n")


def show_arguments(
    app: Sphinx, what: str, name: str, value: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """A layer's own arguments, where Sphinx finds those of Keras' `__new__`, which takes any."""
    if what == "class" and signature == "(*args, **kwargs)":
        own = inspect.signature(value.__init__)
        without_self = own.replace(parameters=list(own.parameters.values())[1:])
        return stringify_signature(without_self, show_annotation=False, show_return_annotation=False), returns
    return signature, returns


def skip_fields(app: Sphinx, what: str, name: str, value: Any, skipped: bool, options: Any) -> bool | None:
    """Leave out the fields of named tuples, which their class's docstring tells."""
    return True if str(inspect.getdoc(value)).startswith("Alias for field number") else None
