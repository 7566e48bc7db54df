"""How Sphinx builds the site: `sphinx-build -W docs docs/_build/html`, with the extra `docs` and without a network."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))

# For the kernels that run the pages, processes of their own: quiet, on the TensorFlow backend, nothing fetched.
os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", KERAS_BACKEND="tensorflow", HF_HUB_OFFLINE="1", RECURZOO_CACHE="off")
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))

project = "recurzoo"
author = "the authors of recurzoo"
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "docstrings",
    "generated_pages",
    "notebook_downloads",
]
exclude_patterns = ["_build", "demo"]
# Dashes and ellipses; quotes stay as they are written.
smartquotes_action = "De"

html_theme = "furo"
html_title = "recurzoo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["table.js"]
html_show_copyright = False
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {"top_of_page_buttons": []}

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = [
    # Pages of reproductions and cards are written for GitHub, and begin where they like.
    "myst.header",
]

nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_execution_in_temp = True
nb_merge_streams = True
# Progress and what TensorFlow says of the machine.
nb_output_stderr = "remove"

autodoc_default_options = {
    "members": True,
    # What every layer of Keras has is told there.
    "exclude-members": "build, call, compute_output_shape, compute_output_spec, get_config, from_config, count, index",
}
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_class_signature = "mixed"
autodoc_inherit_docstrings = False
napoleon_google_docstring = True
napoleon_attr_annotations = False
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_custom_sections = ["Input shape", "Output shape"]
