"""`recurzoo analyze`, `anytime` and `features` on a small checkpoint and digits."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

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
    command = ["analyze", "readout", str(folder), "--data", "digits", "--times", "3-5", "--json"]
    assert main(command) == 0
    report = json.loads(capsys.readouterr().out)
    assert [(one["time"], one["statistics"]) for one in report["readings"]] == [
        (time, statistics) for statistics in ("reused", "recomputed") for time in (3, 4, 5)
    ]
    assert not read_record(folder).scores
    # At the trained time nothing is reused, so it is the accuracy of the network as it is.
    logits = recurzoo.load(folder).predict(digits.test.images, verbose=0)
    accuracy = np.mean(logits.argmax(axis=1) == digits.test.labels)
    assert report["readings"][1]["score"] == pytest.approx(accuracy, abs=0.003)
    assert report["fingerprint"] == digits.test.fingerprint
    assert main([*command, "--record"]) == 0
    capsys.readouterr()
    recorded = [(score.readout, score.statistics, score.value) for score in read_record(folder).scores]
    assert recorded == [(one["time"], one["statistics"], one["score"]) for one in report["readings"]]
    # Measured again under the same conditions, a score takes the place of the earlier one.
    assert main([*command, "--record"]) == 0
    assert len(read_record(folder).scores) == 6


def test_a_time_that_cannot_be_is_told_before_any_is_measured(digits, tmp_path, capsys):
    name = "frnn-2-t4-w4-independent"
    recurzoo.save(recurzoo.create(name, num_classes=10, input_shape=(8, 8, 3)), tmp_path / "net")
    assert main(["analyze", "readout", str(tmp_path / "net"), "--data", "digits", "--times", "4-5"]) == 1
    assert "end with the last update" in capsys.readouterr().err


def test_a_download_is_not_changed(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert main(["analyze", "readout", str(folder), "--data", "digits", "--times", "4", "--record"]) == 1
    assert "A download is never changed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["analyze", "dreams"], 2),
        (["analyze", "ablation", "--data", "digits", "--threshold", "0.5"], 2),
        (["analyze", "readout", "--data", "digits", "--times", "5-2"], 2),
        (["analyze", "similarity", "--epochs", "1,x"], 2),
        (["analyze", "similarity", "--record"], 2),
        (["analyze", "weights"], 1),
        (["analyze", "ablation"], 1),
        (["analyze", "ablation", "--data", "digits", "--stage", "nowhere"], 1),
        (["features", "--data", "digits", "--outputs", "nowhere", "--out", "f.safetensors"], 1),
        (["anytime", "--data", "digits", "--budget", "0.01"], 1),
    ],
)
def test_wrong_words_and_wrong_networks(words, status, folder, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    place = 2 if words[0] == "analyze" else 1
    assert main([*words[:place], str(folder), *words[place:]]) == status
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert not (tmp_path / "f.safetensors").exists()


def test_an_analysis_with_its_files(folder, tmp_path, capsys):
    words = ["analyze", "ablation", str(folder), "--data", "digits", "--limit", "20", "--out", str(tmp_path / "out")]
    assert main(words) == 0
    assert "graph" in capsys.readouterr().out
    record = json.loads((tmp_path / "out" / "ablation.json").read_text())
    assert (record["model"], record["examples"]) == ("frnn-2-t4-w4.digits", 20)
    assert (tmp_path / "out" / "ablation.png").stat().st_size > 1000


def test_anytime(folder, capsys):
    words = ["anytime", str(folder), "--data", "digits", "--limit", "40", "--budget", "1", "--measure", "entropy"]
    assert main([*words, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["kind"], report["measure"], report["chosen_on"], report["examples"]) == (
        "anytime",
        "entropy",
        20,
        20,
    )
    assert report["taken"]["operations"] <= report["whole"]["operations"]


def test_features_in_a_fixed_order(folder, digits, tmp_path, capsys):
    out = tmp_path / "states.safetensors"
    words = ["features", str(folder), "--data", "digits", "--outputs", "graph/1/*,pool", "--out", str(out)]
    assert main([*words, "--limit", "30", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    part = load_data("digits", (8, 8), train=False, limit=30).test
    arrays = load_file(out)
    assert {name: list(array.shape) for name, array in arrays.items()} == report["arrays"]
    np.testing.assert_array_equal(arrays["labels"], part.labels)
    states = recurzoo.trajectory(folder, part.images)
    assert set(arrays) == {"graph/1/0", "graph/1/1", "graph/1/2", "pool", "labels"}
    for update in range(3):
        np.testing.assert_allclose(arrays[f"graph/1/{update}"], states[f"graph/1/{update}"].features, atol=1e-4)
    with safe_open(out, "numpy") as file:
        assert file.metadata()["fingerprint"] == part.fingerprint
        assert json.loads(file.metadata()["class_names"]) == list(digits.class_names)
    # Another file is never replaced without a word.
    assert main(words) == 1
    assert main([*words, "--limit", "30", "--pool", "--overwrite"]) == 0
    pooled = load_file(out)
    np.testing.assert_allclose(pooled["graph/1/2"], arrays["graph/1/2"].mean(axis=(1, 2)), atol=1e-5)
    np.testing.assert_allclose(pooled["pool"], arrays["pool"], atol=1e-5)


def test_a_setting_of_no_kind_is_named():
    with pytest.raises(ValueError, match="speed"):
        recurzoo.analyze("weights", "wrn-22-1", speed=1)
