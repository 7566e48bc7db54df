"""Publishing over HTTP with the real client: one commit, only what the record lists, nothing that is incomplete."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
import tomllib

import pytest

import recurzoo
from recurzoo.catalog import catalog
from recurzoo.catalog.facts import PublishedFacts
from recurzoo.checkpoints.folder import read_record
from recurzoo.hub import session
from recurzoo.zoo.publishing import publish

FILES = {
    "config.json": b'{"class_name": "SWRN"}\n',
    "metadata.json": b'{"keras_version": "3.15.1"}\n',
    "model.weights.h5": b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 8,
    "model.onnx": b"\x08\x0a" + bytes(500),
    "model.safetensors": b"\x02\0\0\0\0\0\0\0{}",
    "training.csv": b"epoch,loss\n1,2.0\n",
}
RECORD = {
    "name": "swrn-16-1-2.cifar10",
    "architecture": "swrn-16-1-2",
    "dataset": {"name": "cifar10", "license": "none stated by its authors"},
    "scores": [{"metric": "accuracy", "value": 0.8125, "examples": 10000}],
    "license": "Apache-2.0",
}


def write(folder, **changes):
    """Write the record of a folder anew, and its files where they are not there."""
    folder.mkdir(exist_ok=True)
    for name, content in FILES.items():
        if not (folder / name).exists():
            (folder / name).write_bytes(content)
    found = {name: (folder / name).read_bytes() for name in FILES}
    files = {name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in found.items()}
    (folder / "record.json").write_text(json.dumps(RECORD | {"files": files} | changes))
    return folder


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "net")


@pytest.fixture(autouse=True)
def _owner(hub, cache, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_owner")


def head(hub, repo="user/net"):
    return {name: data for name, data in hub.repositories[repo].commits[-1].files.items() if name != ".gitattributes"}


def test_one_commit_has_what_the_record_lists_and_nothing_else(hub, folder):
    (folder / "notes.txt").write_text("mine")
    (folder / ".env").write_text("SECRET=1")
    (folder / "checkpoints").mkdir()
    report = publish(folder, "user/net", private=True)
    repository = hub.repositories["user/net"]
    assert repository.private
    assert [commit.changes for commit in repository.commits[1:]] == [8]
    published = head(hub)
    card = published.pop("README.md").decode()
    assert json.loads(published.pop("record.json")) == read_record(folder).to_dict()
    assert published == FILES
    assert 'recurzoo.load("hf://user/net")' in card
    assert "81.25%" in card
    assert report.to_dict() == {
        "name": "swrn-16-1-2.cifar10",
        "url": f"{hub.url}/user/net",
        "commit": repository.commits[-1].id,
        "private": True,
        "uploaded": sorted([*FILES, "README.md", "record.json"]),
        "unchanged": [],
        "removed": [],
        "left_out": [".env", "checkpoints", "notes.txt"],
        "entry": report.entry,
    }
    assert report.entry in str(report)
    # The card is for the Hub: the folder stays as it is.
    assert not (folder / "README.md").exists()


def test_the_entry_lets_the_name_find_it(hub, folder, monkeypatch):
    table = tomllib.loads(publish(folder, "user/net").entry)["published"]
    name, facts = "swrn-16-1-2.cifar10", table["swrn-16-1-2.cifar10"]
    assert facts["record_sha256"] == hashlib.sha256(head(hub)["record.json"]).hexdigest()
    monkeypatch.setitem(catalog.families()["swrn"].published, name, PublishedFacts(**facts))
    assert recurzoo.fetch(name, "onnx").folder.endswith(facts["commit"])
    # A name that is none of the zoo's has no entry.
    assert publish(write(folder, name="mine"), "user/mine").entry is None


def test_again_commits_only_what_has_changed(hub, folder):
    first = publish(folder, "user/net")
    again = publish(folder, "user/net")
    commits = hub.repositories["user/net"].commits
    assert (again.commit, again.uploaded, again.unchanged) == (first.commit, (), first.uploaded)
    assert (len(commits), hub.count("POST", "*/commit/*"), hub.count("PUT")) == (2, 1, 3)
    (folder / "training.csv").write_bytes(b"epoch,loss\n1,2.0\n2,1.0\n")
    third = publish(write(folder), "user/net")
    # The record has the log's hash and the card the log's size.
    assert third.uploaded == ("README.md", "record.json", "training.csv")
    assert [commit.changes for commit in commits[1:]] == [8, 3]
    assert third.commit == commits[-1].id
    assert hub.count("PUT") == 3
    assert head(hub)["training.csv"] == (folder / "training.csv").read_bytes()


def test_nothing_of_an_earlier_checkpoint_stays_beside_a_new_one(hub, folder):
    publish(folder, "user/net")
    (folder / "model.onnx").unlink()
    files = json.loads((folder / "record.json").read_text())["files"]
    report = publish(write(folder, files={n: f for n, f in files.items() if n != "model.onnx"}), "user/net")
    assert (report.removed, report.uploaded) == (("model.onnx",), ("README.md", "record.json"))
    assert "model.onnx" not in head(hub)


@pytest.mark.parametrize(
    "names",
    [
        ["README.md", "pytorch_model.bin"],
        ["README.md"],
        ["README.md", "config.json"],
        ["README.md", "config.json", "record.json", "pytorch_model.bin"],
        ["record.json", "images/a.png"],
    ],
)
def test_only_a_checkpoint_is_overwritten(hub, folder, names):
    hub.add("user/net", dict.fromkeys(names, b"mine"))
    with pytest.raises(ValueError, match=names[-1]):
        publish(folder, "user/net")
    assert head(hub) == dict.fromkeys(names, b"mine")
    assert hub.count("P*") == 1
    assert hub.count("POST", "*/create") == 1


@pytest.mark.parametrize(
    ("repo", "token", "error", "words"),
    [
        ("user/net", False, PermissionError, "HF_TOKEN"),
        ("user/net", "hf_wrong", PermissionError, "token"),
        ("other/net", None, PermissionError, "403"),
        ("net", None, ValueError, "USER/REPO"),
        ("user/../net", None, ValueError, "USER/REPO"),
        ("user/open", None, ValueError, "public already"),
    ],
)
def test_what_is_not_allowed_is_one_sentence(hub, folder, repo, token, error, words):
    hub.add("user/open", {"record.json": b"{}"})
    with pytest.raises(error, match=words) as caught:
        publish(folder, repo, private=True, token=token)
    assert repr(repo) in str(caught.value)
    assert set(hub.repositories) == {"user/open"}
    assert len(hub.repositories["user/open"].commits) == 2


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"path": "/api/*/commit/*", "status": 500}, ConnectionError),
        ({"path": "/api/*/commit/*", "status": 412}, OSError),
        ({"path": "/storage/*", "status": 403}, PermissionError),
        ({"path": "/storage/*", "reset": True}, ConnectionError),
    ],
)
def test_after_a_failure_all_is_done_as_if_there_had_been_none(hub, folder, monkeypatch, fault, error):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub.fail(**fault)
    with pytest.raises(error, match="Received: 'user/net'"):
        publish(folder, "user/net")
    assert head(hub) == {}
    hub.faults.clear()
    assert len(publish(folder, "user/net").uploaded) == 8


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_silence_is_not_waited_for_for_ever(hub, folder, monkeypatch, method):
    monkeypatch.setattr(session, "LONGEST_WAIT", 1.0)
    hub.fail("*", method=method, stall=60.0)
    start = time.monotonic()
    with pytest.raises(TimeoutError, match="Received: 'user/net'"):
        publish(folder, "user/net")
    assert time.monotonic() - start < 5


API = ["*/create", "/api/models/user/net", "*/tree/*", "*/preupload/*", "*/batch", "*/commit/*"]


@pytest.mark.parametrize("body", [b"[3]", b"{}", b"null", b'[{"path": 3}]', b'{"id": "user/net"}', b"<html>"])
@pytest.mark.parametrize("path", API)
def test_answers_that_are_no_hubs_end_in_a_sentence(hub, folder, path, body):
    hub.fail(path, body=body)
    if (path, body) == ("*/tree/*", b"{}"):
        # As good as an empty list: a repository without files.
        publish(folder, "user/net")
    else:
        with pytest.raises(OSError, match="Received: 'user/net'"):
            publish(folder, "user/net")


def test_all_that_lacks_is_named_at_once(hub, tmp_path):
    folder = write(tmp_path / "net", files={}, scores=[{"metric": "loss", "value": 1.0}], license=None)
    with pytest.raises(
        ValueError, match=r"config\.json.*; test scores: .*; licenses: license, of the weights"
    ) as error:
        publish(folder, "user/net")
    assert "data set" not in str(error.value)
    write(folder, dataset={"name": "mine"}, scores=[{"metric": "accuracy", "value": None}])
    with pytest.raises(ValueError, match=r"lacks test scores: .*; licenses: dataset\.license"):
        publish(folder, "user/net")
    assert hub.count() == 0


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "model.pkl", "record.json"])
def test_a_record_cannot_name_other_files(folder, name):
    files = json.loads((folder / "record.json").read_text())["files"]
    path = folder / name
    content = path.read_bytes() if path.exists() else b"x"
    files[name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    with pytest.raises(ValueError, match=rf"no files of the names.*{name}"):
        publish(write(folder, files=files), "user/net")


def test_what_is_not_as_recorded_is_refused(folder):
    (folder / "model.weights.h5").write_bytes(FILES["model.weights.h5"][::-1])
    with pytest.raises(ValueError, match=r"not as it was saved.*model\.weights\.h5"):
        publish(folder, "user/net")
    (folder / "model.weights.h5").write_bytes(FILES["model.weights.h5"])
    (folder / "training.csv").unlink()
    with pytest.raises(ValueError, match=r"training\.csv is missing"):
        publish(folder, "user/net")
    with pytest.raises(FileNotFoundError, match=r"record\.json"):
        publish(folder / "nowhere", "user/net")
    write(folder, architecture="swrn-17-1-2")
    with pytest.raises(ValueError, match="swrn-17-1-2"):
        publish(folder, "user/net")


PUBLISH_AND_OPEN = """
import numpy as np
import keras, recurzoo
name = "swrn-22-1-2.cifar10"
published = recurzoo.publish(name, "user/swrn", token="hf_owner")
assert {"metadata.json", "model.weights.h5", "model.safetensors"} <= {*published.uploaded}
assert recurzoo.publish(name, "user/swrn", token="hf_owner").uploaded == ()
assert published.url in str(published)
model, shipped = keras.saving.load_model("hf://user/swrn"), recurzoo.load(name)
images = np.random.default_rng(0).integers(0, 256, (4, *model.input_shape[1:])).astype("uint8")
np.testing.assert_array_equal(*(keras.ops.convert_to_numpy(net(images)) for net in (model, shipped)))
"""


def test_core_keras_opens_what_was_published(hub, tmp_path):
    command = [sys.executable, "-c", PUBLISH_AND_OPEN]
    done = subprocess.run(command, env=hub.environment(tmp_path), capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
