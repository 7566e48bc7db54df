"""JSON and TOML of strangers: bounded, and refused in a few words; and text from anywhere, as it is shown."""

from __future__ import annotations

import json
import os
import time

import pytest

from recurzoo.base.documents import one_line, parse_json, parse_toml, printable, read_json


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 60 + "1" + "}" * 60,
        " " * 4_000_001,
        json.dumps({str(number): number for number in range(100_000)}),
        json.dumps([[0] * 1_000] * 1_000),
        '{"accuracy": ' + "9" * 5_000 + "}",
        '{"accuracy": 1' + "0" * 400 + "}",
        str(2**63),
        "1e400",
        "NaN",
        "\ufeff{}",
        b"\xef\xbb\xbf{}",
        b"\xff",
        '"\\ud800"',
        "{",
    ],
    ids=lambda text: repr(text)[:20],
)
def test_what_is_too_much_for_json(text):
    start = time.process_time()
    with pytest.raises(ValueError) as error:  # noqa: PT011
        parse_json(text)
    assert time.process_time() - start < 2
    assert len(str(error.value)) < 300
    assert str(error.value).isprintable()


@pytest.mark.parametrize("text", ["a = " + "[" * 3_000, "a = " + "9" * 5_000, f"a = {2**64}", "\ufeffa = 1", b"\xff"])
def test_what_is_too_much_for_toml(text):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        parse_toml(text)
    assert len(str(error.value)) < 300
    assert "sys." not in str(error.value)


def test_what_documents_hold():
    document = {"a": [1, -(2**63), 2**63 - 1, 0.5, None, True, "ä\u202e"], "b": {"c": {}}}
    assert parse_json(json.dumps(document)) == document
    assert parse_toml("a = inf") == {"a": float("inf")}


def test_a_pipe_is_no_document(tmp_path):
    os.mkfifo(tmp_path / "record.json")
    with pytest.raises(ValueError, match="regular"):
        read_json(tmp_path / "record.json")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Éléphant 猫", "Éléphant 猫"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\u202e", "a\\nb\\u202e"),
        ("\udcff", "\\udcff"),
    ],
)
def test_nothing_steers_a_terminal(text, shown):
    assert printable(text) == shown
    assert one_line(text).isprintable()
