"""Whole runs, as a user starts them: killed and resumed, and on JAX with no TensorFlow to be found."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import recurzoo
from recurzoo.catalog.recipe import load_recipe
from recurzoo.checkpoints.folder import read_record
from recurzoo.data.sets import load_data
from recurzoo.results import verify
from recurzoo.results.row import row_of
from recurzoo.training.run import train
from tests.data.test_sets import write_folder

CHANGES = ["architecture=swrn-16-1-1", "dataset=pets", "image_size=8", "batch_size=3", "epochs=6", "average.last=0.4"]


def command(data, out, *more):
    changes = [word for change in (*CHANGES, "model.dropout=0.3") for word in ("--set", change)]
    train_words = ["train", "swrn-22-1-2.cifar10.fast", "--data", str(data), "--out", str(out)]
    return [sys.executable, "-m", "recurzoo", *train_words, *changes, *more]


def rows(folder):
    path = folder / "training.csv"
    return list(csv.DictReader(path.open())) if path.exists() else []


def test_a_killed_run_resumes_to_the_same_losses(tmp_path):
    data = write_folder(tmp_path / "pets")
    killed = subprocess.Popen(command(data, tmp_path / "killed"), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 200
    while len(rows(tmp_path / "killed")) < 2 and killed.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    done = len(rows(tmp_path / "killed"))
    assert done >= 2

    again = subprocess.run(command(data, tmp_path / "killed"), capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "resume" in again.stderr
    assert "Traceback" not in again.stderr
    words = command(data, tmp_path / "killed", "--resume", "--json")
    resumed = subprocess.run(words, capture_output=True, text=True, check=True)
    assert json.loads(resumed.stdout)["epochs"] == 6
    subprocess.run(command(data, tmp_path / "whole"), capture_output=True, check=True)
    for got, wanted in zip(rows(tmp_path / "killed"), rows(tmp_path / "whole"), strict=True):
        for key in ("epoch", "learning_rate", "train_loss", "test_loss", "test_accuracy"):
            assert float(got[key]) == pytest.approx(float(wanted[key]), rel=2e-3, abs=1e-5), (key, done)


def test_the_checkpoint_holds_what_the_run_measured(tmp_path):
    data = write_folder(tmp_path / "pets")
    recipe = load_recipe("swrn-22-1-2.cifar10.fast", [*CHANGES, "epochs=1"])
    result = train(recipe, str(data), tmp_path / "run")
    record = read_record(result.folder)
    images = load_data(str(data), (8, 8))
    assert record.name == "swrn-16-1-1.pets" == Path(result.folder).name
    assert record.class_names == ("cat", "dog")
    assert record.dataset.fingerprint == images.train.fingerprint
    model = recurzoo.load(result.folder)
    # The mean of a data set that the catalog does not know is measured.
    np.testing.assert_allclose(model.architecture["mean"], images.train.images.mean(axis=(0, 1, 2)) / 255, rtol=1e-6)
    right = model.predict(images.test.images, verbose=0).argmax(axis=1) == images.test.labels
    assert record.metrics["test_accuracy"] == pytest.approx(right.mean())
    with pytest.raises(ValueError, match="resume it, or give another folder"):
        train(recipe, str(data), tmp_path / "run")
    with pytest.raises(ValueError, match="another epochs"):
        train(load_recipe("swrn-22-1-2.cifar10.fast", CHANGES), str(data), tmp_path / "run", resume=True)


@pytest.mark.parametrize("left", [None, "epoch\n"])
def test_a_run_killed_between_its_last_state_and_log_ships_the_whole_log(tmp_path, left):
    data = write_folder(tmp_path / "pets")
    recipe = load_recipe("swrn-22-1-2.cifar10.fast", [*CHANGES, "epochs=2"])
    train(recipe, str(data), tmp_path / "run")
    log = tmp_path / "run" / "training.csv"
    whole = log.read_text()
    log.unlink()
    if left is not None:
        log.write_text(left)
    result = train(recipe, str(data), tmp_path / "run", resume=True)
    assert (Path(result.folder) / "training.csv").read_text() == log.read_text() == whole
    assert len(rows(tmp_path / "run")) == 2


def test_a_run_that_diverges_says_so_and_is_recorded(tmp_path, caplog):
    data = write_folder(tmp_path / "pets")
    changes = [*CHANGES, "epochs=2", "optimizer.learning_rate=1e30", "baseline=wrn-10-1"]
    result = train(load_recipe("swrn-22-1-2.cifar10.fast", changes), str(data), tmp_path / "run")
    told = [record.getMessage() for record in caplog.records if record.name == "recurzoo"]
    # Once for each of the two networks.
    assert len(told) == 2
    assert all("diverged: in epoch 1, test_loss" in text and "learning_rate=1e+30" in text for text in told)
    metrics = read_record(result.folder).metrics
    for of in ("", "wrn-10-1_"):
        assert metrics[f"{of}test_loss"] is None
        assert 0 <= metrics[f"{of}test_accuracy"] <= 1
    assert np.isnan(float(rows(tmp_path / "run")[-1]["train_loss"]))
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["metrics"] == metrics
    assert not any(report.problems for report in verify(result.folder, data=str(data)).checkpoints)
    assert row_of(read_record(result.folder)).value == metrics["test_accuracy"]


def test_a_network_that_cannot_be_built_is_refused_before_its_baseline_trains(tmp_path):
    data = write_folder(tmp_path / "pets")
    recipe = load_recipe("swrn-22-1-2.cifar10.fast", [*CHANGES, "baseline=wrn-10-1", "model.dropuot=0.3"])
    with pytest.raises(ValueError, match=r"SWRN has no such argument\. Received: dropuot"):
        train(recipe, str(data), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_jax_trains_without_tensorflow(tmp_path):
    pytest.importorskip("jax")
    data = write_folder(tmp_path / "pets")
    blocked = tmp_path / "sitecustomize.py"
    blocked.write_text(
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('tensorflow', 'tensorflow_datasets', 'torch'):\n"
        "            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
    )
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(tmp_path)}
    words = command(data, tmp_path / "run", "--set", "epochs=2", "--set", "steps_per_execution=2", "--json")
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    record = read_record(report["folder"])
    assert record.versions["backend"] == "jax"
    assert [float(row["learning_rate"]) for row in rows(tmp_path / "run")][-1] == 0
