"""Pages that run code can be downloaded as notebooks, as they were run."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

# Where MyST-NB writes the notebooks that it has run, beside the site.
EXECUTED = "jupyter_execute"


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", add_link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def add_link(app: Sphinx, page: str, template: str, context: dict[str, Any], tree: Any) -> None:
    """Put a page's notebook beside it, and a link to that under the page's text."""
    executed = Path(app.outdir).parent / EXECUTED / f"{page}.ipynb"
    if "body" not in context or not executed.is_file():
        return
    notebook = Path(app.outdir, f"{page}.ipynb")
    notebook.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(executed, notebook)
    context["body"] += (
        '<p class="notebook">The code of this page was run when the site was built. '
        f'<a href="{notebook.name}" download>Download it as a notebook</a></p>'
    )
