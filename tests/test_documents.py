"""README and docs: every block of code runs, and every command line is one that the program understands.

The code cells of pages that are notebooks run when the site is built, which tests/site does.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import typer

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
# What asks the Hub, or PyTorch, is only compiled.
NOT_RUN = re.compile(r"hf://|HF_|torch\.")
IDS = [path.name for path in DOCUMENTS]


def blocks(path: Path, language: str) -> list[str]:
    pattern = rf"^```{re.escape(language)}\n(.*?)^```"
    return re.findall(pattern, path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.tensorflow
@pytest.mark.parametrize("path", DOCUMENTS, ids=IDS)
def test_blocks_of_python_run_one_after_the_other(path, tmp_path, monkeypatch, capsys):
    import keras

    import recurzoo

    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights").symlink_to(ROOT / "weights")
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype("uint8")
    names = {"keras": keras, "np": np, "recurzoo": recurzoo, "images": images}
    for number, block in enumerate(blocks(path, "python"), start=1):
        code = compile(block, f"{path.name}, block {number}", "exec")
        if not NOT_RUN.search(block):
            exec(code, names)
    if shown := "".join(blocks(path, "text")):
        assert capsys.readouterr().out == shown


@pytest.mark.parametrize("path", DOCUMENTS, ids=IDS)
def test_notebooks_say_what_runs_them(path):
    cells = blocks(path, "{code-cell} python")
    assert bool(cells) == path.read_text(encoding="utf-8").startswith("---\nfile_format: mystnb\n")
    for number, cell in enumerate(cells, start=1):
        compile(cell if not cell.startswith(":") else cell.partition("\n\n")[2], f"{path.name}, cell {number}", "exec")
    # In a notebook, what can be run is a cell.
    assert not cells or all(NOT_RUN.search(block) for block in blocks(path, "python"))


def commands(path: Path) -> list[str]:
    lines = [line for block in blocks(path, "sh") for line in block.replace("\\\n", " ").splitlines()]
    found = [re.search(r"(?:^|[;|] ?|python3 -m )recurzoo [^;|&>#]*", line) for line in lines]
    return [match[0].lstrip(";| ").removeprefix("python3 -m ") for match in found if match]


@pytest.mark.parametrize("path", DOCUMENTS, ids=IDS)
def test_command_lines_are_understood(path):
    from recurzoo.cli.main import app

    known = typer.main.get_command(app).commands
    for line in commands(path):
        _, name, *words = shlex.split(re.sub(r"\[([^\]]*)\](\.\.\.)?", r"\1", line))
        assert name in known, line
        options = {option for parameter in known[name].params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, line


@pytest.mark.parametrize("path", DOCUMENTS, ids=IDS)
def test_blocks_of_toml_are_read(path):
    for block in blocks(path, "toml"):
        tomllib.loads(block)


@pytest.mark.parametrize("path", DOCUMENTS, ids=IDS)
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", path.read_text(encoding="utf-8")):
        # Pages of families and checkpoints are made when the site is built, whose links are tested there.
        assert target.startswith("zoo/") or (path.parent / target).exists(), target


@pytest.mark.others
@pytest.mark.tensorflow
def test_the_first_command_of_the_readme_runs(tmp_path):
    """But for the environment that it makes, which is the one that runs this."""
    (first, _) = re.search(r"```sh\n(.*)\n(.*)\n```", (ROOT / "README.md").read_text(encoding="utf-8")).groups()
    *_, script = first.split(" && ")
    assert script == ".venv/bin/python examples/quickstart.py"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg"}
    run = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "quickstart.py")], cwd=tmp_path, env=environment, capture_output=True
    )
    assert run.returncode == 0, run.stderr.decode()[-2000:]


@pytest.mark.tensorflow
def test_the_picture_of_the_readme_is_drawn_by_its_script(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    script = [sys.executable, str(ROOT / "examples" / "sharing.py"), str(tmp_path / "sharing.svg")]
    subprocess.run(script, env=environment, check=True, capture_output=True)

    # Another version of Matplotlib may write the same otherwise.
    def parts(path):
        return Counter(element.tag for element in ElementTree.parse(path).iter())

    assert parts(tmp_path / "sharing.svg") == parts(ROOT / "docs" / "sharing.svg")
