"""A name, its folder, its record and its config say the same; and what `load` fetched is enough for `fetch`."""

from __future__ import annotations

import json
import shutil

import pytest

import recurzoo
from recurzoo.checkpoints.folder import CONFIG, RECORD

NAME = "swrn-16-1-2.cifar10"


@pytest.fixture
def named(folder, tmp_path, monkeypatch):
    """Puts the small checkpoint, whose record is changed, on the shelf under a name."""
    monkeypatch.setattr("recurzoo.zoo.finding.PACKAGE", tmp_path / "recurzoo")
    monkeypatch.setenv("RECURZOO_WEIGHTS", str(tmp_path / "weights"))

    def named(shelf_name, **record):
        shelved = shutil.copytree(folder, tmp_path / "weights" / shelf_name)
        changed = json.loads((shelved / RECORD).read_text()) | record
        (shelved / RECORD).write_text(json.dumps(changed))
        return shelved

    return named


@pytest.mark.parametrize(
    ("name", "record"),
    [
        (NAME, {"name": "swrn-16-1-2.cifar100"}),
        ("swrn-22-1-2.cifar10", {"name": "swrn-22-1-2.cifar10"}),
        ("swrn-22-1-2.cifar10", {"name": "swrn-22-1-2.cifar10", "architecture": "swrn-22-1-2"}),
    ],
)
def test_a_folder_that_holds_another_checkpoint_does_not_load_by_its_name(named, name, record):
    named(name, **record)
    with pytest.raises(ValueError, match=f"Received: .*{name.partition('.')[0]}"):
        recurzoo.load(name)


def test_a_config_of_another_architecture_does_not_load(named):
    shelved = named(NAME, name=NAME)
    recurzoo.load(NAME)
    config = (shelved / CONFIG).read_text()
    (shelved / CONFIG).write_text(config.replace('"depth": 16', '"depth": 22'))
    with pytest.raises(ValueError, match=CONFIG):
        recurzoo.load(NAME)


def test_after_load_fetch_needs_no_hub(hub, cache, folder, monkeypatch):
    hub.add("user/tiny", folder)
    recurzoo.load("hf://user/tiny")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    fetched = recurzoo.fetch("hf://user/tiny")
    assert fetched == recurzoo.fetch("hf://user/tiny", local_files_only=True)
    assert recurzoo.load(fetched.folder).name == recurzoo.load("hf://user/tiny", local_files_only=True).name
