"""Whatever the files say, readers read them or refuse them in one sentence: no traceback, no hang, no crash, no trace.

Run with `-m slow`, this is over ten thousand files; without, the same with some hundred. Both are the same every time.
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
from tests.fuzzing import examples
from tests.fuzzing.reader import Reader
from tests.fuzzing.readers import READERS

SECONDS = 30
SENTENCE = 2_000
QUICK = 60
TOLD = (ValueError, UnknownNameError, FileNotFoundError)


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


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def check(reader: Reader, folder: Path, content: bytes) -> None:
    (folder / reader.file).write_bytes(content)
    before = tree(folder)
    told = None
    try:
        with time_limit(), warnings.catch_warnings(action="ignore"):
            reader.read(folder / reader.file)
    except TOLD as error:
        told = error
    if told is not None:
        # None that a library raised and nobody put into words.
        assert type(told) in TOLD, repr(told)[:SENTENCE]
        assert "Received" in str(told), repr(told)[:SENTENCE]
        assert "\n" not in str(told), repr(told)[:SENTENCE]
        assert len(str(told)) < SENTENCE, repr(told)[:SENTENCE]
    assert tree(folder) == before


def fuzz(reader: Reader, folder: Path, count: int) -> None:
    for content in examples.EXAMPLES.get(reader.name, []):
        check(reader, folder, content)

    @seed(20_260)
    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(reader.contents)
    def attempt(content: bytes) -> None:
        check(reader, folder, content)

    attempt()


@pytest.fixture
def folder(tmp_path):
    return tmp_path


@pytest.mark.parametrize("name", READERS)
def test_some_hundred_files(name, folder):
    reader = READERS[name]()
    with reader.prepared(folder):
        reader.read(folder / reader.file)
        fuzz(reader, folder, QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_ten_thousand_files(name, folder):
    reader = READERS[name]()
    with reader.prepared(folder):
        fuzz(reader, folder, reader.count)


def test_it_is_ten_thousand():
    assert sum(READERS[name]().count for name in READERS) >= 10_000
