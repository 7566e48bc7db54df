"""What building refuses, without a browser or npm."""

from __future__ import annotations

import runpy
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def build():
    return SimpleNamespace(**runpy.run_path(str(ROOT / "docs" / "demo" / "build.py")))


def test_a_folder_of_something_else_is_left_alone(build, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"replaces an earlier one alone. Received: --out"):
        build.build(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_another_runtime_than_the_pinned_one_is_refused(build, tmp_path, monkeypatch):
    def pack(command, cwd, **_):
        (Path(cwd) / "package.tgz").write_bytes(b"something else")
        return subprocess.CompletedProcess(command, 0, "package.tgz\n")

    monkeypatch.setattr(subprocess, "run", pack)
    with pytest.raises(ValueError, match=r"Received: sha512-"):
        build.fetch_runtime(tmp_path)
    assert not list((tmp_path / "vendor").iterdir())
