"""Publishing over HTTP with the real client: one commit, only what the record lists, nothing that is incomplete."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import pytest

from recurzoo.zoo.publishing import publish
from tests.support.hub.server import Account

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
    "dataset": {"name": "cifar10", "licence": "none stated by its authors"},
    "metrics": {"test_accuracy": 0.8125, "test_images": 10000},
    "licence": "Apache-2.0",
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


def recorded(folder):
    return json.loads((folder / "record.json").read_text())["files"]


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """Tests that refuse in this process must not get as far as the Hub."""
    monkeypatch.setattr("recurzoo.zoo.publishing._upload", None)


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "net")


@pytest.fixture
def run(hub, tmp_path):
    """Gives status, report and sentence of `recurzoo publish`."""

    def run(*words, token="hf_owner", **more):
        environment = hub.environment(tmp_path / "home", **more) | ({"HF_TOKEN": token} if token else {})
        command = [sys.executable, "-m", "recurzoo", "publish", *map(str, words), "--json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert "Traceback" not in done.stderr
        return done.returncode, json.loads(done.stdout or "null"), done.stderr.strip().rpartition("\n")[2]

    return run


def test_one_commit_has_what_the_record_lists_and_nothing_else(hub, run, folder):
    (folder / "notes.txt").write_text("mine")
    (folder / ".env").write_text("SECRET=1")
    (folder / "model.keras").write_bytes(b"PK")
    (folder / "checkpoints").mkdir()
    status, report, _ = run(folder, "--repo", "user/net", "--private")
    repository = hub.repositories["user/net"]
    assert status == 0
    assert repository.private
    assert [commit.changes for commit in repository.commits[1:]] == [8]
    published = {name: content for name, content in repository.head.files.items() if name != ".gitattributes"}
    card = published.pop("README.md").decode()
    assert published == FILES | {"record.json": (folder / "record.json").read_bytes()}
    assert 'recurzoo.load("hf://user/net")' in card
    assert "81.25%" in card
    assert report == {
        "name": "swrn-16-1-2.cifar10",
        "url": f"{hub.url}/user/net",
        "commit": repository.head.id,
        "private": True,
        "uploaded": sorted([*FILES, "README.md", "record.json"]),
        "unchanged": [],
        "removed": [],
        "left_out": [".env", "checkpoints", "model.keras", "notes.txt"],
    }
    # The card is for the Hub: the folder stays as it is.
    assert not (folder / "README.md").exists()


def test_again_commits_only_what_has_changed(hub, run, folder):
    first = run(folder, "--repo", "user/net")[1]
    again = run(folder, "--repo", "user/net")[1]
    repository = hub.repositories["user/net"]
    assert (again["commit"], again["uploaded"]) == (first["commit"], [])
    assert again["unchanged"] == first["uploaded"]
    assert (len(repository.commits), hub.count("POST", "*/commit/*"), hub.count("PUT")) == (2, 1, 3)
    (folder / "training.csv").write_bytes(b"epoch,loss\n1,2.0\n2,1.0\n")
    write(folder)
    third = run(folder, "--repo", "user/net")[1]
    # The record has the log's hash and the card the log's size.
    assert third["uploaded"] == ["README.md", "record.json", "training.csv"]
    assert [commit.changes for commit in repository.commits[1:]] == [8, 3]
    assert third["commit"] == repository.head.id
    assert hub.count("PUT") == 3
    assert repository.head.files["training.csv"] == (folder / "training.csv").read_bytes()


def test_nothing_of_an_earlier_checkpoint_stays_beside_a_new_one(hub, run, folder):
    run(folder, "--repo", "user/net")
    write(folder, files={name: found for name, found in recorded(folder).items() if name != "model.onnx"})
    (folder / "model.onnx").unlink()
    report = run(folder, "--repo", "user/net")[1]
    assert (report["removed"], report["uploaded"]) == (["model.onnx"], ["README.md", "record.json"])
    assert "model.onnx" not in hub.repositories["user/net"].head.files


def test_only_a_checkpoint_is_overwritten(hub, run, folder):
    hub.add("user/llama", {"README.md": b"mine", "config.json": b"{}", "pytorch_model.bin": b"weights"})
    status, _, sentence = run(folder, "--repo", "user/llama")
    assert (status, len(hub.repositories["user/llama"].commits)) == (1, 2)
    assert "config.json and no record.json" in sentence


@pytest.mark.parametrize(
    ("repo", "token", "status", "words"),
    [
        ("user/net", None, 1, "set HF_TOKEN"),
        ("user/net", "hf_wrong", 1, "does not accept this token"),
        ("other/net", "hf_owner", 1, "rights to create a model under the namespace"),
        ("net", "hf_owner", 1, "USER/NAME"),
        ("user/open", "hf_owner", 1, "is public already"),
    ],
)
def test_what_is_not_allowed_is_one_sentence(hub, run, folder, repo, token, status, words):
    hub.add("user/open", {"config.json": b"{}"})
    got, report, sentence = run(folder, "--repo", repo, "--private", token=token)
    assert (got, report) == (status, None)
    assert words in sentence
    assert set(hub.repositories) == {"user/open"}
    assert len(hub.repositories["user/open"].commits) == 2


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"path": "/api/*/commit/*", "status": 500}, "status 500"),
        ({"path": "/storage/*", "status": 403}, "status 403"),
        ({"path": "/api/*/commit/*", "status": 412}, "has changed meanwhile"),
    ],
)
def test_a_failure_commits_nothing(hub, run, folder, fault, words):
    hub.fail(**fault)
    status, _, sentence = run(folder, "--repo", "user/net")
    assert status == 1
    assert words in sentence
    assert len(hub.repositories["user/net"].commits) == 1


def test_after_a_failure_all_is_done_as_if_there_had_been_none(hub, run, folder):
    hub.fail("/api/*/commit/*", status=503, times=1)
    assert run(folder, "--repo", "user/net")[0] == 1
    assert len(run(folder, "--repo", "user/net")[1]["uploaded"]) == 8
    # The large files were there already.
    assert hub.count("PUT") == 3


def test_an_organization_and_a_token_that_only_reads(hub, run, folder):
    hub.accounts["hf_member"] = Account("third", organizations=("user",))
    hub.accounts["hf_reader"] = Account("user", writes=False)
    status, report, sentence = run(folder, "--repo", "user/net", token="hf_reader")
    assert (status, report) == (1, None)
    assert "status 403" in sentence
    assert run(folder, "--repo", "user/net", token="hf_member")[0] == 0


def test_all_that_lacks_is_named_at_once(tmp_path):
    folder = write(tmp_path / "net", files={}, metrics={"cnn-20_test_accuracy": 0.5, "test_loss": 1.0}, licence=None)
    hashes = "hashes of config.json, model.weights.h5, metadata.json"
    with pytest.raises(ValueError, match=f"{hashes}; test scores: .*; licences: licence, of the weights") as caught:
        publish(folder, "user/net")
    assert "data set" not in str(caught.value)
    write(folder, dataset={"name": "mine"}, metrics={"test_accuracy": None})
    with pytest.raises(ValueError, match=r"lacks test scores: .*; licences: dataset\.licence"):
        publish(folder, "user/net")


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
import keras, recurzoo, recurzoo.models
name = "swrn-22-1-2.cifar10"
published = recurzoo.publish(name, "user/swrn", token="hf_owner")
assert "model.weights.h5" in published.uploaded
assert published.url in str(published)
model, shipped = keras.saving.load_model("hf://user/swrn"), recurzoo.load(name)
images = np.random.default_rng(0).integers(0, 256, (4, *model.input_shape[1:])).astype("uint8")
np.testing.assert_array_equal(*(keras.ops.convert_to_numpy(net(images)) for net in (model, shipped)))
"""


def test_core_keras_opens_what_was_published(hub, tmp_path):
    command = [sys.executable, "-c", PUBLISH_AND_OPEN]
    done = subprocess.run(command, env=hub.environment(tmp_path), capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert hub.downloads["user/swrn/model.weights.h5"] == 1
