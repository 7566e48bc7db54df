"""The command line's manners: one JSON object, one sentence, one status."""

from __future__ import annotations

import csv
import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import recurzoo
from recurzoo.cli.main import COMMANDS, FAILED, app, main


def test_what_it_was_started_to_ignore_it_ignores():
    """As `nohup` starts it; else both signals end it as Control-C does."""
    before = {name: signal.getsignal(name) for name in (signal.SIGHUP, signal.SIGTERM)}
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        assert main(["list", "swrn-28-10*"]) == 0
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) == signal.default_int_handler
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def test_list(capsys):
    assert main(["list", "swrn-28-10*"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:2] == ["name", "parameters"]
    assert next(line.split()[:2] for line in lines if "28-10-2" in line) == ["swrn-28-10-2", "17,125,630"]


def test_recipes(capsys):
    assert main(["recipes", "rc-4.*.paper"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1:] == [
        [f"rc-4.{data}.paper", "rc-4", data, "160", "128", "float32"] for data in ("cifar10", "cifar100")
    ]
    assert main(["recipes", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["recipes"]
    assert [recipe["name"] for recipe in listed] == [recipe.name for recipe in recurzoo.recipes()]
    assert set(listed[0]) == {"name", "architecture", "dataset", "epochs", "batch_size", "precision"}


def test_the_states_inside(capsys):
    assert main(["info", "rc-1-w16", "--outputs", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["outputs"]["cell_1/0"] == [16, 16, 16]
    assert listed["outputs"]["cell_2/0"] == [4, 4, 64]
    assert tuple(listed["outputs"]) == recurzoo.output_names(recurzoo.create("rc-1-w16"))


def test_nothing_is_cut_in_a_pipe(capsys):
    assert main(["results"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]]
    with (Path(recurzoo.__file__).parent.parent / "weights" / "results.csv").open(newline="") as file:
        assert names == [row["name"] for row in csv.DictReader(file)]


def test_json_is_one_object_and_nothing_else(capsys):
    assert main(["list", "swrn-28-10-?", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [model["name"] for model in listed["models"]] == ["swrn-28-10-1", "swrn-28-10-2", "swrn-28-10-4"]
    assert main(["info", "--json", "swrn-28-10-2"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["parameters"], told["paper"]["year"]) == (17125630, 2019)


def test_what_libraries_print_does_not_reach_json(capsys, monkeypatch):
    from recurzoo.zoo import listing

    def chatty(name):
        print("progress")
        return listing.info(name)

    monkeypatch.setattr("recurzoo.cli.listing.info", chatty)
    assert main(["info", "swrn-28-10-2", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["name"] == "swrn-28-10-2"
    assert "progress" in captured.err


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["info", "swrn-27-1"], 2, "depth of 10, 16, 22"),
        (["info", "swrn-28-10-4.nowhere"], 1, "none are published"),
        (["info", "/nowhere/at/all"], 1, "record.json"),
        (["info", "hf://user/repo"], 1, "HF_HUB_OFFLINE"),
        (["info"], 2, "Missing argument"),
        (["list", "--colour"], 2, "No such option"),
        (["frobnicate"], 2, "No such command"),
        (["list", "--colour"], 2, ". See recurzoo list --help."),
        (["export", "rc-4-w16", "--out", "x"], 2, "saved_model. See recurzoo export --help."),
        (["exprt"], 2, "'export'? See recurzoo --help."),
    ],
)
def test_errors_are_one_sentence_on_standard_error(words, status, told, capsys):
    assert main(words) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert told in captured.err
    assert captured.err.startswith("recurzoo: ")
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("line one\nline two"), "Unexpected RuntimeError: line one line two"),
        (KeyboardInterrupt(), "Inter"),
    ],
)
def test_the_unexpected_is_a_sentence_too(error, told, capsys, monkeypatch):
    def fail(name):
        raise error

    monkeypatch.setattr("recurzoo.cli.listing.info", fail)
    assert main(["info", "swrn-28-10-2"]) == FAILED
    assert told in capsys.readouterr().err


def test_a_traceback_is_shown_when_asked_for(capsys, monkeypatch):
    monkeypatch.setenv("RECURZOO_DEBUG", "1")
    assert main(["info", "swrn-27-1"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("recurzoo 0.")


def test_the_module_runs_too():
    run = subprocess.run([sys.executable, "-m", "recurzoo", "info", "nothing"], capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("recurzoo: No architecture has this name. Received: 'nothing'")


def test_no_words_give_the_help_in_which_every_command_has_one_line(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    for _, name, _, _ in COMMANDS:
        (line,) = [line for line in lines if line.split()[1:2] == [name]]
        assert line.rstrip(" │").endswith(".")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[1])
def test_every_command_has_an_example_that_it_understands(command, capsys, monkeypatch):
    _, name, _, example = command
    monkeypatch.setenv("COLUMNS", "200")
    assert main([name, "--help"]) == 0
    assert capsys.readouterr().out.split("Example: ")[1].strip() == f"recurzoo {example}"
    words = shlex.split(example)
    options = {option for word in typer.main.get_command(app).commands[words[0]].params for option in word.opts}
    assert {word for word in words if word.startswith("--")} <= options


def test_a_file_that_begins_with_a_dash_is_a_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-x.jpg").write_bytes(b"no image")
    assert main(["predict", "swrn-22-1-2", "-x.jpg"]) == 1
    assert "-x.jpg" in capsys.readouterr().err


@pytest.mark.parametrize("redirection", ["> /dev/full", ">&-", "| true"])
def test_an_output_that_takes_nothing_is_told_in_a_sentence(redirection):
    command = f"{sys.executable} -m recurzoo list 'swrn-*' {redirection}"
    run = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True)
    assert run.returncode == (1 if redirection != "| true" or run.returncode else 0)
    assert "Traceback" not in run.stderr
    assert run.stderr.count("\n") <= 1


def test_tensorflow_is_imported_without_its_page_on_standard_error():
    script = "from recurzoo.base.environment import import_quietly; import_quietly('tensorflow'); import tensorflow"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stderr == ""


OFFLINE = """
import json, sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.bind"):
        print("SOCKET", event, arguments, file=sys.stderr)

sys.addaudithook(refuse)
from recurzoo.cli.main import main
for words in json.loads(sys.argv[1]):
    assert main(words) == 0, words
"""


@pytest.mark.tensorflow
def test_only_the_commands_of_the_hub_open_sockets(tmp_path):
    """What Python opens; the digits are scikit-learn's."""
    run = "--set epochs=1 --set epoch_examples=64 --set batch_size=32 --set dataset=digits --set average.last=0"
    commands = [
        ["list", "--pretrained"],
        ["info", "swrn-22-1-2"],
        ["recipes"],
        ["results"],
        ["verify", "swrn-22-1-2"],
        ["reproduce"],
        ["fold", "swrn-22-1-2", "--out", "folded"],
        ["export", "./folded", "--format", "onnx", "--out", "x.onnx"],
        ["train", "rc-1-w16.cifar10.cpu", "--data", "digits", "--out", "run", *run.split()],
    ]
    pytest.importorskip("onnxruntime")
    pytest.importorskip("sklearn")
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, json.dumps(commands)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "SOCKET" not in done.stderr
