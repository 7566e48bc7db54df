"""`recurzoo results` and `recurzoo verify`, as typed."""

from __future__ import annotations

import json

import pytest

from recurzoo.cli.main import main
from recurzoo.results.rows import Measured
from recurzoo.results.table import BEGIN, END
from tests.support.shelf import PATHS, PETS


def run(capsys, *words):
    status = main([str(word) for word in words])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return status, captured.out, captured.err


def test_verify_prints_a_line_a_checkpoint(capsys, shelf):
    status, out, err = run(capsys, "verify")
    assert status == 0
    assert [line.split(":")[0] for line in out.splitlines()] == [PATHS, PETS]
    assert err.splitlines() == [f"1/2 verifying {PATHS}", f"2/2 verifying {PETS}"]


def test_verify_fails_after_all_are_compared(capsys, shelf, change):
    change(shelf / PATHS, parameters=1)
    status, out, _ = run(capsys, "verify")
    assert status == 1
    assert f"{PATHS}: FAILED: it has 186129 parameters, recorded as 1" in out
    assert f"{PETS}: as recorded" in out
    status, out, _ = run(capsys, "verify", "--json", PATHS)
    assert status == 1
    report = json.loads(out)
    assert report["passed"] is False
    assert [checkpoint["checkpoint"] for checkpoint in report["checkpoints"]] == [PATHS]
    status, out, _ = run(capsys, "verify", shelf / PETS, "--json")
    assert (status, json.loads(out)["passed"]) == (0, True)


@pytest.mark.parametrize(
    ("status", "words", "word"),
    [
        (2, ["verify", "swrn-16-1-9"], "templates"),
        (1, ["verify", "./nowhere"], "record.json"),
        (1, ["results", "--write"], "in a clone"),
    ],
)
def test_errors_are_one_sentence_with_a_status(capsys, shelf, monkeypatch, status, words, word):
    monkeypatch.setattr("recurzoo.results.table.CLONE", shelf.parent)
    got, out, err = run(capsys, *words)
    assert (got, out) == (status, "")
    assert word in err.splitlines()[-1]


def test_data_that_are_not_there_fail(capsys, shelf):
    status, out, _ = run(capsys, "verify", PETS, "--data", "./nowhere")
    assert status == 1
    assert "./nowhere" in out


def test_results(capsys, shelf, monkeypatch):
    status, out, _ = run(capsys, "results")
    assert status == 0
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [[PATHS, "186,129"], [PETS, "126,168"]]
    status, out, _ = run(capsys, "results", "--json")
    assert [row["parameters"] for row in json.loads(out)["rows"]] == [186129, 126168]


def test_results_are_written(capsys, shelf, monkeypatch):
    monkeypatch.setattr("recurzoo.results.table.CLONE", shelf.parent)
    monkeypatch.setattr("recurzoo.results.table.measure", lambda model: Measured(macs=11, folded_onnx_bytes=22))
    (shelf.parent / "pyproject.toml").write_text("")
    (shelf.parent / "README.md").write_text(f"{BEGIN}\n{END}\n")
    status, out, err = run(capsys, "results", "--write", "--json")
    assert status == 0
    assert [row["folded_onnx_bytes"] for row in json.loads(out)["rows"]] == [22, 22]
    assert err.splitlines() == [f"1/2 measuring {PATHS}", f"2/2 measuring {PETS}"]
    assert "| 11 |" in (shelf.parent / "README.md").read_text()
    assert (shelf / "results.csv").is_file()
    assert (shelf.parent / "docs" / "accuracy.svg").is_file()
