"""A checkpoint's files and its record, which vouches for them."""

from __future__ import annotations

import hashlib
import json
import os

import pytest

from recurzoo.checkpoints.folder import read_record, verify_files
from recurzoo.zoo.loading import load


def change_record(folder, change):
    record = json.loads((folder / "record.json").read_text())
    change(record)
    (folder / "record.json").write_text(json.dumps(record))


@pytest.mark.parametrize("damage", ["changed", "shortened", "removed", "a pipe"])
@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_tampered_file_is_refused(folder, name, damage):
    path = folder / name
    content = bytearray(path.read_bytes())
    if damage in ("removed", "a pipe"):
        path.unlink()
        if damage == "a pipe":
            os.mkfifo(path)
    elif damage == "shortened":
        path.write_bytes(content[:-1])
    else:
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"not as it was saved.*{name}"):
        load(folder)


def test_a_record_must_vouch_for_the_weights(folder):
    change_record(folder, lambda record: record["files"].pop("model.safetensors"))
    with pytest.raises(ValueError, match="not in the record"):
        verify_files(folder, read_record(folder))
    with pytest.raises(FileNotFoundError, match=r"no model\.safetensors"):
        load(folder)


@pytest.mark.parametrize("content", ["{", "\ufeff{}", "[]", '{"name": 1' + "0" * 5000 + "}"])
def test_a_record_that_cannot_be_read_is_told_in_a_sentence(folder, content):
    (folder / "record.json").write_text(content)
    with pytest.raises(ValueError, match=r"cannot be read.*record\.json") as error:
        load(folder)
    assert len(str(error.value)) < 500


def test_what_loading_does_not_read_may_be_absent(folder):
    """The cache of downloads has only what was asked for."""
    (folder / "README.md").unlink()
    (folder / "model.onnx").write_text("an export")
    export = {"sha256": hashlib.sha256(b"an export").hexdigest(), "bytes": 9}
    change_record(folder, lambda record: record["files"].update({"model.onnx": export}))
    record = read_record(folder)
    verify_files(folder, record, whole=True)
    (folder / "model.onnx").write_text("another")
    with pytest.raises(ValueError, match=r"model\.onnx has 7 bytes, not 9"):
        verify_files(folder, record, whole=True)
    (folder / "model.onnx").unlink()
    with pytest.raises(ValueError, match=r"model\.onnx is missing"):
        verify_files(folder, record, whole=True)
    assert load(folder).name


def test_a_file_beyond_all_reason_is_not_hashed(folder):
    def claim(record):
        record["files"]["training.csv"] = {"sha256": "0" * 64, "bytes": 10**12}

    change_record(folder, claim)
    with (folder / "training.csv").open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(ValueError, match=r"training\.csv is larger than any"):
        verify_files(folder, read_record(folder), whole=True)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "model.pkl", "record.json", "model.safetensors/../x", ""])
def test_a_record_lists_only_a_checkpoints_files(folder, name):
    (folder.parent / "secret").write_text("mine")
    secret = {"sha256": hashlib.sha256(b"mine").hexdigest(), "bytes": 4}
    change_record(folder, lambda record: record["files"].update({name: secret}))
    with pytest.raises(ValueError, match=r"cannot be read.*record\.json"):
        load(folder)
