"""Whole runs, as a user starts them: killed and resumed, and on JAX with no TensorFlow to be found."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file

import recurzoo
from recurzoo.base.files import only_writer
from recurzoo.catalog.recipe import load_recipe
from recurzoo.checkpoints.folder import read_record
from recurzoo.cli.main import main
from recurzoo.data.sets import load_data
from recurzoo.results.verify import verify
from recurzoo.training.progress_bar import ProgressBar
from recurzoo.training.run import resolve_precision, train
from recurzoo.training.trainer import order_of
from tests.data.test_sets import write_folder

CHANGES = ["architecture=swrn-16-1-1", "dataset=pets", "image_size=8", "batch_size=3", "epochs=6", "average.last=0.4"]
# Muon's steps take long to trace.
CHANGES += ["optimizer.kind=sgd", "optimizer.learning_rate=0.2"]


def command(data, out, *more):
    changes = [word for change in (*CHANGES, "model.dropout=0.3") for word in ("--set", change)]
    train_words = ["train", "swrn-22-1-2.cifar10.cpu", "--data", str(data), "--out", str(out)]
    return [sys.executable, "-m", "recurzoo", *train_words, *changes, *more]


def rows(folder):
    path = folder / "training.csv"
    return list(csv.DictReader(path.open())) if path.exists() else []


def test_a_killed_run_resumes_to_the_same_losses(tmp_path, capsys):
    data = write_folder(tmp_path / "pets")
    muon = ["--set", "optimizer.kind=muon", "--set", "optimizer.weight_decay=5e-4"]
    words = command(data, tmp_path / "killed", *muon)
    killed = subprocess.Popen(words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 200
    while len(rows(tmp_path / "killed")) < 2 and killed.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    done = len(rows(tmp_path / "killed"))
    assert done >= 2

    assert main(words[3:]) == 1
    errors = capsys.readouterr().err
    assert "resume" in errors
    assert "Traceback" not in errors
    assert main([*words[3:], "--resume", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["epochs"] == 6
    assert main(command(data, tmp_path / "whole", *muon)[3:]) == 0
    for got, wanted in zip(rows(tmp_path / "killed"), rows(tmp_path / "whole"), strict=True):
        for key in ("epoch", "learning_rate", "train_loss", "test_loss", "test_accuracy"):
            assert float(got[key]) == pytest.approx(float(wanted[key]), rel=2e-3, abs=1e-5), (key, done)


def test_a_run_that_is_told_to_end_says_how_it_goes_on(tmp_path, monkeypatch, capsys):
    data = write_folder(tmp_path / "pets")
    handlers = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    # Whatever the tests were started to ignore.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    told: list[signal.Signals] = [*handlers]
    show = ProgressBar.show

    def tell(bar, row):
        show(bar, row)
        if told:
            os.kill(os.getpid(), told.pop())

    monkeypatch.setattr(ProgressBar, "show", tell)
    words = command(data, tmp_path / "run")[3:]
    try:
        for done in (1, 2, 3):
            assert main([*words, *(["--resume"] if done > 1 else [])]) == 1
            *_, sentence = capsys.readouterr().err.splitlines()
            assert "Interrupted" in sentence
            assert "--resume" in sentence
            assert len(rows(tmp_path / "run")) == done
        assert main([*words, "--resume"]) == 0
    finally:
        for name, handler in handlers.items():
            signal.signal(name, handler)
    assert len(rows(tmp_path / "run")) == 6


def test_the_checkpoint_holds_what_the_run_measured(tmp_path):
    data = write_folder(tmp_path / "pets")
    recipe = load_recipe("swrn-22-1-2.cifar10.cpu", [*CHANGES, "epochs=1"])
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
    assert record.headline.value == pytest.approx(right.mean())
    assert record.headline.fingerprint == images.test.fingerprint
    assert record.recipe == recipe
    assert record.precisions == {resolve_precision(recipe.precision): 1}
    with pytest.raises(ValueError, match="resume it, or give another folder"):
        train(recipe, str(data), tmp_path / "run")
    with pytest.raises(ValueError, match="another epochs"):
        train(load_recipe("swrn-22-1-2.cifar10.cpu", CHANGES), str(data), tmp_path / "run", resume=True)


@pytest.mark.parametrize("left", [None, "epoch\n"])
def test_a_run_killed_between_its_last_state_and_log_ships_the_whole_log(tmp_path, left):
    data = write_folder(tmp_path / "pets")
    recipe = load_recipe("swrn-22-1-2.cifar10.cpu", [*CHANGES, "epochs=2"])
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
    recipe = load_recipe(
        "swrn-22-1-2.cifar10.cpu", [*CHANGES, "epochs=2", "optimizer.kind=muon", "optimizer.learning_rate=1e30"]
    )
    result = train(recipe, str(data), tmp_path / "run")
    (warning,) = [record.getMessage() for record in caplog.records if record.name == "recurzoo"]
    assert "in epoch 1, test_loss" in warning
    assert "learning_rate=1e+30" in warning
    scores = {score.metric: score.value for score in read_record(result.folder).scores}
    assert scores["loss"] is None
    assert 0 <= scores["accuracy"] <= 1
    assert np.isnan(float(rows(tmp_path / "run")[-1]["train_loss"]))
    reported = json.loads(json.dumps(result.to_dict(), allow_nan=False))["scores"]
    assert {score["metric"]: score["value"] for score in reported} == scores
    assert not any(report.problems for report in verify(result.folder, data=str(data)).checkpoints)


def test_the_sharing_of_every_epoch_is_kept_and_ships(tmp_path):
    """Each bank's coefficients, as they were at the start and after each epoch, also over an interruption."""
    data = write_folder(tmp_path / "pets")
    recipe = load_recipe("swrn-22-1-2.cifar10.cpu", [*CHANGES, "epochs=3", "architecture=swrn-16-1-2"])
    train(recipe, str(data), tmp_path / "whole")

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, str(data), tmp_path / "broken", callbacks=[Stop()])
    result = train(recipe, str(data), tmp_path / "broken", resume=True)
    kept, whole = (load_file(tmp_path / name / "coefficients.safetensors") for name in ("broken", "whole"))
    assert sorted(kept) == [f"stage_{number}/bank/coefficients" for number in (1, 2, 3)]
    banks = {stage.name: stage.banks[0] for stage in recurzoo.load(result.folder).stages}
    for name, coefficients in kept.items():
        assert coefficients.shape == (4, 2, 2)
        np.testing.assert_allclose(coefficients, whole[name], rtol=1e-2, atol=1e-3)
        # Orthogonal at the start.
        np.testing.assert_allclose(coefficients[0].T @ coefficients[0], np.eye(2), atol=1e-5)
        assert banks[name.split("/")[0]].coefficients.shape == (2, 2)


def test_images_that_grow_and_statistics_measured_anew(tmp_path):
    data = write_folder(tmp_path / "pets", size=(16, 16))
    growing = ["epochs=4", "image_size=16", "progressive.sizes=[8]", "progressive.shares=[0.5]", "reestimate=true"]
    recipe = load_recipe("swrn-22-1-2.cifar10.cpu", [*CHANGES, *growing])
    result = train(recipe, str(data), tmp_path / "run")
    assert [int(float(row["image_size"])) for row in rows(tmp_path / "run")] == [8, 8, 16, 16]
    assert recurzoo.load(result.folder).input_shape == (None, 16, 16, 3)


@pytest.mark.tensorflow
def test_tensorboard_is_written_where_it_is_asked_for(tmp_path):
    data = write_folder(tmp_path / "pets")
    recipe = load_recipe("swrn-22-1-2.cifar10.cpu", [*CHANGES, "epochs=2", "logger=tensorboard"])
    train(recipe, str(data), tmp_path / "run")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (folder,) = {path.parent for path in (tmp_path / "run" / "tensorboard").rglob("events.*")}
    events = EventAccumulator(str(folder)).Reload()
    assert len(events.Tensors("epoch_test_accuracy")) == 2


def test_a_run_begins_with_a_checkpoint_as_it_is_or_grown(tmp_path):
    data = write_folder(tmp_path / "pets")

    def run(name, architecture, *changes):
        settings = [*CHANGES, "epochs=1", "average.last=0.0", f"architecture={architecture}", *changes]
        return train(load_recipe("swrn-22-1-2.cifar10.cpu", settings), str(data), tmp_path / name)

    first = run("first", "swrn-16-2-1")
    # At a rate of nearly nothing a run ends where it began.
    still = ["optimizer.learning_rate=1e-30"]
    again = run("again", "swrn-16-2-1", *still, f"init={first.folder}")
    record = read_record(again.folder)
    assert (record.parent.action, record.parent.checkpoint) == ("init", "swrn-16-2-1.pets")
    values = [
        {weight.path: keras.ops.convert_to_numpy(weight) for weight in recurzoo.load(run.folder).trainable_weights}
        for run in (first, again)
    ]
    for path, value in values[0].items():
        np.testing.assert_allclose(values[1][path], value, atol=1e-6)
    grown = run("grown", "swrn-16-4-2", *still, f"grow_from={first.folder}")
    assert read_record(grown.folder).parent.action == "grow"
    with pytest.raises(ValueError, match="swrn-16-4-2"):
        run("no", "swrn-16-4-2", f"init={first.folder}")


def test_parts_of_the_images_are_all_of_them_once_a_pass():
    recipe = load_recipe("swrn-22-1-2.cifar10.cpu", ["batch_size=4", "epoch_examples=20"])
    epochs = [order_of(recipe, 60, epoch) for epoch in range(6)]
    assert [whole for _, whole in epochs] == [0, 0, 0, 1, 1, 1]
    for whole in (0, 1):
        images = np.concatenate([order for order, which in epochs if which == whole])
        assert sorted(images) == list(range(60))
    assert not np.array_equal(epochs[0][0], epochs[3][0])


def test_data_that_are_not_what_the_recipe_says_are_refused_before_training(tmp_path):
    recipe = load_recipe("swrn-22-1-2.cifar10.cpu", ["architecture=swrn-16-1-1", "image_size=8", "epochs=1"])
    with pytest.raises(ValueError, match="CIFAR-10"):
        train(recipe, str(write_folder(tmp_path / "pets")), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("place", ["training.csv", "training.csv/", "coefficients.safetensors", "swrn-16-1-1.pets/"])
def test_what_would_be_lost_or_in_the_way_is_refused_before_training(tmp_path, place):
    mine = tmp_path / "run" / place
    if place.endswith("/"):
        mine = mine / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    recipe = load_recipe("swrn-22-1-2.cifar10.cpu", [*CHANGES, "epochs=1"])
    for resume in (False, True):
        with pytest.raises((ValueError, FileExistsError), match=place.strip("/")):
            train(recipe, "no such data", tmp_path / "run", resume)
    assert mine.read_text() == "mine"


def test_one_run_at_a_time_in_a_folder(tmp_path):
    data = write_folder(tmp_path / "pets")
    recipe = load_recipe("swrn-22-1-2.cifar10.cpu", [*CHANGES, "epochs=1"])
    (tmp_path / "run").mkdir()
    with only_writer(tmp_path / "run"), pytest.raises(BlockingIOError, match="Another process"):
        train(recipe, str(data), tmp_path / "run")
    assert not list((tmp_path / "run").iterdir())


@pytest.mark.parametrize("name", ["a/b", "..", "", "-x", ".x", "a b\n", "x" * 100])
def test_names_that_no_checkpoint_can_have_are_refused_before_training(name):
    with pytest.raises(ValueError, match="dataset"):
        load_recipe("swrn-22-1-2.cifar10.cpu", [f"dataset={json.dumps(name)}"])


def test_precision_by_the_machine(monkeypatch):
    for can, precision in ((True, "mixed_bfloat16"), (False, "float32")):
        monkeypatch.setattr("recurzoo.training.run.computes_in_bfloat16", lambda can=can: can)
        assert resolve_precision("auto") == precision
        assert resolve_precision("float32") == "float32"


@pytest.mark.jax
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


@pytest.mark.data
def test_photos_are_streamed_and_learned_from(tmp_path):
    """ImageNet's recipe on some of its photos, with a small network that begins with a shipped one's weights."""
    data = Path(os.environ["RECURZOO_DATA"], "tiny-imagenet-20")
    if not data.is_dir():
        pytest.skip(f"RECURZOO_DATA has no {data.name}")
    changes = ["architecture=rc-4-w16", "init=rc-4-w16", f"dataset={data.name}", "image_size=32", "batch_size=50"]
    changes += ["epochs=3", "epoch_examples=1000", "optimizer.learning_rate=0.05", "schedule.epochs=[]"]
    result = train(load_recipe("swrn-50-2.imagenet.paper", changes), str(data), tmp_path / "run")
    losses = [float(row["train_loss"]) for row in rows(tmp_path / "run")]
    assert losses == sorted(losses, reverse=True)
    # Chance is 5%.
    (accuracy,) = [score.value for score in result.scores if score.metric == "accuracy"]
    assert accuracy > 0.1
    measured = recurzoo.evaluate(result.folder, str(data)).scores
    assert [score.value for score in measured] == pytest.approx([score.value for score in result.scores], abs=1e-6)
