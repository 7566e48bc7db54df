"""Readout times that were not trained, measured by `recurzoo readout` on a small network and digits."""

from __future__ import annotations

import json

import numpy as np
import pytest

import recurzoo
from recurzoo.checkpoints.folder import read_record
from recurzoo.cli.main import main
from recurzoo.data.sets import load_data


@pytest.fixture(scope="module")
def digits():
    return load_data("digits", (8, 8))


@pytest.fixture
def folder(digits, tmp_path):
    model = recurzoo.create("frnn-2-t4-w4", num_classes=10, input_shape=(8, 8, 3))
    record = {"name": "frnn-2-t4-w4.digits", "architecture": "frnn-2-t4-w4", "class_names": digits.class_names}
    recurzoo.save(model, tmp_path / "net", record)
    return tmp_path / "net"


def test_each_readout_time_is_measured_and_recorded(folder, digits, capsys):
    command = ["readout", str(folder), "--data", "digits", "--times", "3-5", "--json"]
    assert main(command) == 0
    report = json.loads(capsys.readouterr().out)
    assert [(score["readout"], score["statistics"]) for score in report["scores"]] == [
        (time, statistics) for time in (3, 4, 5) for statistics in ("reused", "recomputed")
    ]
    assert not read_record(folder).scores
    # At the trained time nothing is reused, so it is the accuracy of the network as it is.
    logits = recurzoo.load(folder).predict(digits.test.images, verbose=0)
    assert report["scores"][2]["value"] == np.mean(logits.argmax(axis=1) == digits.test.labels)
    assert report["scores"][2]["fingerprint"] == digits.test.fingerprint
    assert main([*command, "--record"]) == 0
    capsys.readouterr()
    assert [score.to_dict() for score in read_record(folder).scores] == report["scores"]
    # Measured again under the same conditions, a score takes the place of the earlier one.
    assert main([*command, "--record"]) == 0
    assert len(read_record(folder).scores) == 6


def test_a_time_that_cannot_be_is_told_before_any_is_measured(digits, tmp_path, capsys):
    name = "frnn-2-t4-w4-independent"
    recurzoo.save(recurzoo.create(name, num_classes=10, input_shape=(8, 8, 3)), tmp_path / "net")
    assert main(["readout", str(tmp_path / "net"), "--data", "digits", "--times", "4-5"]) == 1
    told = capsys.readouterr().err
    assert "end with the last update" in told
    assert "readout time 4" not in told


def test_a_download_is_not_changed(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert main(["readout", str(folder), "--data", "digits", "--times", "4", "--record"]) == 1
    assert "A download is never changed" in capsys.readouterr().err
    assert main(["export", str(folder), "--format", "onnx", "--out", str(folder / "model.onnx")]) == 1
    assert "A download is never changed" in capsys.readouterr().err


def test_wrong_words_and_wrong_networks(folder, tmp_path, capsys):
    assert main(["readout", str(folder), "--data", "digits", "--times", "5-2"]) == 2
    recurzoo.save(recurzoo.create("rc-1-w4", num_classes=10, input_shape=(8, 8, 3)), tmp_path / "rc")
    assert main(["readout", str(tmp_path / "rc"), "--data", "digits"]) == 1
    assert "fully recurrent" in capsys.readouterr().err
    small = {"num_classes": 5, "input_shape": (8, 8, 3)}
    recurzoo.save(recurzoo.create("frnn-2-t4-w4", **small), tmp_path / "five")
    assert main(["readout", str(tmp_path / "five"), "--data", "digits"]) == 1
    assert "does not name its 5" in capsys.readouterr().err
