"""The built demo, served from a folder of a local host, and pages of a real browser that ask nobody else."""

from __future__ import annotations

import functools
import json
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parent.parent.parent
FOLDERS = ("scripts", "styles", "pictures")
SOURCE, SITE = ROOT / "docs" / "demo", ROOT / "build" / "demo"


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def site():
    """The folder that docs/demo/build.py wrote, of the page as it is now."""
    if not (SITE / "models.json").is_file():
        pytest.skip("the demo is not built; run python docs/demo/build.py")
    for path in [SOURCE / "index.html", *(path for name in FOLDERS for path in (SOURCE / name).iterdir())]:
        copy = SITE / path.relative_to(SOURCE)
        assert copy.is_file(), f"{path.name} is newer than the built demo; run python docs/demo/build.py"
        assert copy.read_bytes() == path.read_bytes(), f"{path.name} is not as built; run python docs/demo/build.py"
    return SITE


@pytest.fixture(scope="session")
def manifest(site):
    return json.loads((site / "models.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def address(site, tmp_path_factory):
    """Of the page, below a path as on many static hosts."""
    root = tmp_path_factory.mktemp("host")
    (root / "some").mkdir()
    (root / "some" / "path").symlink_to(site)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/some/path/"
    server.shutdown()


@pytest.fixture(scope="session")
def chromium():
    """Debian's, which finds no host but this one."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: recurzoo[demo]")
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    # A container's root has no sandbox.
    flags = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium, address):
    """Opens the demo with a network; afterwards nothing has failed, and no request has gone to another host."""
    pages = []

    def open_page(network="", wait=True, **settings):
        page = chromium.new_page(**{"viewport": {"width": 1120, "height": 980}, **settings})
        seen = SimpleNamespace(requests=[], errors=[])
        page.on("request", lambda request: seen.requests.append(request.url))
        page.on("pageerror", lambda error: seen.errors.append(str(error)))
        page.on("console", lambda line: seen.errors.append(line.text) if line.type == "error" else None)
        pages.append((page, seen))
        page.goto(f"{address}#{network}")
        if wait:
            page.wait_for_selector("#strip li")
        return page

    yield open_page
    origin = address.split("/some/")[0]
    for page, seen in pages:
        page.close()
        assert seen.requests
        assert [url for url in seen.requests if not url.startswith((origin, "blob:", "data:"))] == []
        assert [text for text in seen.errors if "Failed to load resource" not in text] == []


@pytest.fixture
def answers():
    """The probabilities that a page shows after each of its steps."""

    def answers(page):
        shown = []
        for place in range(int(page.get_attribute("#step", "max")) + 1):
            page.locator("#step").fill(str(place))
            values = page.eval_on_selector_all(
                "#answer [data-probability]", "all => all.map((one) => Number(one.dataset.probability))"
            )
            shown.append(values)
        return shown

    return answers
