"""Files and folders are written whole or not at all, whatever happens, and only regular ones are read."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import subprocess
import sys

import pytest
from safetensors import SafetensorError

from recurzoo.base import files
from recurzoo.base.files import draft, only_writer, open_regular, recover, write_text

fork = multiprocessing.get_context("fork")

# In namespaces of its own, a process may mount a disk of 100 KB.
FULL_DISK = """
import os, sys
from pathlib import Path
import numpy as np, safetensors.numpy
from recurzoo.base.files import draft, write_text
os.chdir(sys.argv[1])
write_text(Path("before.txt"), "kept")
def text(path): path.write_text("x" * 200_000)
def folder(path): path.mkdir(); (path / "a").write_bytes(bytes(200_000))
def tensors(path): safetensors.numpy.save_file({"a": np.ones(50_000)}, path)
for write in (text, folder, tensors):
    try:
        with draft(Path("before.txt" if write is text else "new")) as partial:
            write(partial)
    except OSError as error:
        print(error, flush=True)
    assert os.listdir() == ["before.txt"] and Path("before.txt").read_text() == "kept"
"""


def write_folder(folder, content):
    with draft(folder) as partial:
        partial.mkdir()
        for name in ("a", "b"):
            (partial / name).write_text(content)


def is_whole(folder):
    return (folder / "a").read_text() == (folder / "b").read_text()


def write_for_ever(folder):
    for number in range(100_000):
        write_folder(folder, str(number))


@pytest.fixture(params=[True, False], ids=["in one act", "in two acts"])
def _acts(request, monkeypatch):
    """As a file system that cannot exchange two folders does it, too."""
    if not request.param:
        monkeypatch.setattr(files, "_exchange", lambda one, other: False)


@pytest.mark.usefixtures("_acts")
def test_files_and_folders_are_replaced(tmp_path):
    write_text(tmp_path / "x.txt", "one")
    write_text(tmp_path / "x.txt", "two")
    write_folder(tmp_path / "folder", "one")
    (tmp_path / "folder" / "old").touch()
    write_folder(tmp_path / "folder", "two")
    assert (tmp_path / "x.txt").read_text() == "two"
    assert {file.name: file.read_text() for file in (tmp_path / "folder").iterdir()} == {"a": "two", "b": "two"}
    assert {path.name for path in tmp_path.iterdir()} == {"x.txt", "folder"}


@pytest.mark.usefixtures("_acts")
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_fails_leaves_what_was_there(tmp_path, error):
    def fail():
        with draft(tmp_path / "folder") as partial:
            partial.mkdir()
            raise error

    write_folder(tmp_path / "folder", "one")
    with pytest.raises(error):
        fail()
    assert (tmp_path / "folder" / "a").read_text() == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_what_cannot_be_moved_is_put_back(tmp_path, monkeypatch):
    write_folder(tmp_path / "folder", "one")
    rename = type(tmp_path).rename
    moved = []

    def fail_once(self, target):
        moved.append(target)
        if len(moved) == 2:
            raise PermissionError("no")
        return rename(self, target)

    monkeypatch.setattr(files, "_exchange", lambda one, other: False)
    monkeypatch.setattr(type(tmp_path), "rename", fail_once)
    with pytest.raises(PermissionError):
        write_folder(tmp_path / "folder", "two")
    assert len(moved) == 3
    assert (tmp_path / "folder" / "a").read_text() == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_file_never_takes_the_place_of_a_folder(tmp_path):
    write_folder(tmp_path / "training.csv", "mine")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileExistsError, match=r"training\.csv"):
        write_text(tmp_path / "training.csv", "x")
    with pytest.raises(FileExistsError, match="file"):
        write_folder(tmp_path / "file", "x")
    assert (tmp_path / "training.csv" / "a").read_text() == (tmp_path / "file").read_text() == "mine"


def test_a_folder_is_whole_whenever_its_writer_is_killed(tmp_path, rng):
    write_folder(tmp_path / "folder", "first")
    for _ in range(30):
        writer = fork.Process(target=write_for_ever, args=(tmp_path / "folder",))
        writer.start()
        writer.join(float(rng.uniform(0, 0.03)))
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        assert is_whole(tmp_path / "folder")
    write_folder(tmp_path / "folder", "last")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_what_was_set_aside_by_a_killed_writer_is_put_back(tmp_path, monkeypatch):
    def kill_between_two_acts(folder):
        rename = type(folder).rename

        def stop(self, target):
            rename(self, target)
            os.kill(os.getpid(), signal.SIGKILL)

        type(folder).rename = stop
        files._exchange = lambda one, other: False
        write_folder(folder, "new")

    write_folder(tmp_path / "folder", "old")
    writer = fork.Process(target=kill_between_two_acts, args=(tmp_path / "folder",))
    writer.start()
    writer.join()
    assert not (tmp_path / "folder").exists()
    recover(tmp_path / "folder")
    assert (tmp_path / "folder" / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_writers_at_once_leave_one_whole_folder_and_each_other_alone(tmp_path):
    def write(number):
        for _ in range(30):
            write_folder(tmp_path / "folder", number)

    writers = [fork.Process(target=write, args=(str(number),)) for number in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 6
    assert is_whole(tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_one_sentence(tmp_path, error):
    with pytest.raises(OSError, match=r"The disk is full.*Received: .*target") as raised, draft(tmp_path / "target"):
        raise RuntimeError("some library's own") from error
    assert raised.value.errno == errno.ENOSPC
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_really_full(tmp_path):
    inner = f"mount -t tmpfs -o size=100k none {tmp_path} && exec {sys.executable} -c '{FULL_DISK}' {tmp_path}"
    run = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", inner], capture_output=True, text=True
    )
    if "unshare" in run.stderr or "mount" in run.stderr:
        pytest.skip("this system lets no process mount a disk of its own")
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("The disk is full") == 3


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_only_regular_files_are_opened(tmp_path, kind):
    path = tmp_path / "x"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(ValueError, match=r"Received: .*x"):
        open_regular(path)
    (tmp_path / "y").write_bytes(b"content")
    with open_regular(tmp_path / "y") as file:
        assert file.read() == b"content"


def test_one_process_writes_in_a_folder(tmp_path):
    def enter(results):
        try:
            with only_writer(tmp_path):
                results.put("entered")
        except BlockingIOError as error:
            results.put(str(error))

    def ask():
        results = fork.Queue()
        other = fork.Process(target=enter, args=(results,))
        other.start()
        other.join()
        return results.get()

    with only_writer(tmp_path):
        assert str(tmp_path) in ask()
    assert ask() == "entered"
