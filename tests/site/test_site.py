"""The built site: no warning, no dead link, nothing fetched, all families and checkpoints, every cell run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import recurzoo

pytestmark = [pytest.mark.site, pytest.mark.tensorflow]

ROOT = Path(__file__).parents[2]
DOCS, HTML = ROOT / "docs", ROOT / "docs" / "_build" / "html"
# Where nobody answers: what asks the network fails.
NOWHERE = "http://127.0.0.1:9"
# What a browser fetches by itself.
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}


class Page(HTMLParser):
    """Where a page leads, what it loads and what in it can be led to."""

    def __init__(self, path: Path):
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.names: set[str] = set()
        self.text: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.names |= {found[key] for key in ("id", "name") if found.get(key)}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        if (key := LOADED.get(tag)) and found.get(key) and found.get("rel") not in ("canonical", "search"):
            self.loaded.append(found[key])

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def pages():
    pytest.importorskip("sphinx")
    shutil.rmtree(HTML.parent, ignore_errors=True)
    environment = {**os.environ, **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), NOWHERE)}
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-j", "2", str(DOCS), str(HTML)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-5000:]
    return {path: Page(path) for path in sorted(HTML.rglob("*.html"))}


def test_every_source_is_a_page(pages):
    sources = [path.relative_to(DOCS) for path in DOCS.rglob("*.md") if not {"_build", "demo"} & {*path.parts}]
    assert len(sources) > 30
    assert {HTML / path.with_suffix(".html") for path in sources} <= set(pages)


def test_links_inside_lead_somewhere(pages):
    dead = []
    for path, page in pages.items():
        for link in [*page.links, *page.loaded]:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            names = pages[target].names if target in pages else set()
            if not target.is_file() or (parts.fragment and target in pages and unquote(parts.fragment) not in names):
                dead.append(f"{path.name}: {link}")
    assert not dead


def test_a_browser_fetches_nothing_from_elsewhere(pages):
    fetched = {link for page in pages.values() for link in page.loaded if urlsplit(link).scheme not in ("", "data")}
    assert not fetched


def test_every_cell_was_run(pages):
    sources = [path for path in DOCS.rglob("*.md") if "{code-cell}" in path.read_text(encoding="utf-8")]
    assert len(sources) > 10
    for source in sources:
        written = len(re.findall(r"^```{code-cell}", source.read_text(encoding="utf-8"), re.MULTILINE))
        notebook = HTML / source.relative_to(DOCS).with_suffix(".ipynb")
        cells = [cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"]
        assert [cell["execution_count"] for cell in cells] == list(range(1, written + 1)), source
        assert not [out for cell in cells for out in cell["outputs"] if out["output_type"] == "error"], source
        assert f'href="{notebook.name}"' in notebook.with_suffix(".html").read_text(encoding="utf-8")


def test_families_have_pages_with_the_papers_figures(pages):
    for folder in (ROOT / "recurzoo" / "families").glob("*/family.toml"):
        family = tomllib.loads(folder.read_text(encoding="utf-8"))
        if not family["architectures"]:
            continue
        page = pages[HTML / "zoo" / f"{folder.parent.name}.html"]
        text = " ".join(page.text)
        assert family["title"] in text
        assert " ".join(family["idea"].split())[:60] in " ".join(text.split())
        errors = [row for table in family.get("figures", ()) for row in table["errors"]]
        for row in errors:
            assert row["architecture"] in text
            for error in (value for value in row.values() if not isinstance(value, str)):
                assert f"{round(100 - error, 2):.2f}%" in text
        assert 'class="sig-name descname"' in (HTML / "zoo" / f"{folder.parent.name}.html").read_text()


def test_checkpoints_have_a_row_and_a_card(pages):
    text = " ".join(pages[HTML / "choose.html"].text)
    names = [path.parent.name for path in (ROOT / "weights").glob("*/record.json")]
    assert len(names) > 5
    for name in names:
        record = json.loads((ROOT / "weights" / name / "record.json").read_text())
        assert name in text
        assert f"{record['parameters']:,}" in text
        assert f"{record['parameters']:,}" in " ".join(pages[HTML / "zoo" / "checkpoints" / f"{name}.html"].text)


def test_the_reference_has_all_public_names(pages):
    names = {name for page in pages.values() for name in page.names}
    functions = {f"recurzoo.{name}" for name in recurzoo.__all__ if name not in ("layers", "models", "sharing")}
    parts = {f"recurzoo.{part}.{name}" for part in ("layers", "sharing") for name in getattr(recurzoo, part).__all__}
    classes = {f"recurzoo.models.{name}" for name in recurzoo.models.__all__}
    assert functions | parts | classes <= names


def test_commands_have_their_options(pages):
    text = " ".join(pages[HTML / "zoo" / "commands.html"].text)
    for words in ("recurzoo fold", "--threshold", "recurzoo publish", "--private", "recurzoo train", "--resume"):
        assert words in text


def test_no_page_tells_where_it_was_built(pages):
    for path, page in pages.items():
        text = " ".join(page.text)
        # Neither the clone, nor the environment, nor the folders that notebooks run in.
        assert str(ROOT) not in text, path
        assert sys.prefix not in text, path
        assert not re.search(rf"{re.escape(tempfile.gettempdir())}/tmp\w{{8}}", text), path
