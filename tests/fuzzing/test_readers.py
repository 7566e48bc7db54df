"""Whatever the files say, readers read them or refuse them in one sentence: no traceback, no hang, no crash, no trace.

Run with `-m slow`, this is ten thousand files; without, the same with some hundred. Both are the same every time.
"""

from __future__ import annotations

import contextlib
import signal
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings

from recurzoo.base.errors import UnknownNameError
from tests.fuzzing.readers import READERS, Reader

SECONDS = 30
SENTENCE = 2_000
QUICK = 50
# What users are told; anything else is an error that a library raised and nobody put into words.
SENTENCES = (ValueError, UnknownNameError, FileNotFoundError)


@contextlib.contextmanager
def time_limit() -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise AssertionError(f"a reader hangs for {SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def names(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def check(reader: Reader, folder: Path, content: bytes) -> None:
    (folder / reader.file).write_bytes(content)
    before = names(folder.parent)
    problem = None
    try:
        with time_limit(), warnings.catch_warnings(action="ignore"):
            reader.read(folder / reader.file)
    except SENTENCES as error:
        problem = error
    if problem is not None:
        text = str(problem)
        assert type(problem) in SENTENCES, repr(problem)[:SENTENCE]
        assert ("Received" in text, "\n" in text, len(text) < SENTENCE) == (True, False, True), text[:SENTENCE]
    assert names(folder.parent) == before
    assert (folder / reader.file).read_bytes() == content


def fuzz(name: str, folder: Path, count: int) -> None:
    reader = READERS[name]()
    reader.prepare(folder)
    (folder / reader.file).write_bytes(reader.original)
    reader.read(folder / reader.file)
    for content in reader.examples:
        check(reader, folder, content)

    @seed(20_260)
    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(reader.contents)
    def attempt(content: bytes) -> None:
        check(reader, folder, content)

    attempt()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


@pytest.mark.parametrize("name", READERS)
def test_some_hundred_files(name, folder):
    fuzz(name, folder, QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_ten_thousand_files(name, folder):
    fuzz(name, folder, READERS[name]().count)


def test_it_is_ten_thousand():
    assert sum(READERS[name]().count for name in READERS) >= 10_000
