"""Two workers on one machine, as two machines would train: what they refuse, and what is left when one is killed."""

import csv
import json
import random
import signal
import subprocess
import time

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.data.test_sets import write_folder
from tests.support.replicas import finish, start_workers

pytestmark = pytest.mark.tensorflow
CHANGES = {"architecture": "rc-1-w4", "dataset": "pets", "image_size": 8, "batch_size": 6, "precision": "float32"}
# So slow that rounding does not grow.
CHANGES |= {"optimizer.learning_rate": 0.001, "average.last": 0.5}


BACKENDS = pytest.mark.parametrize("backend", ["tensorflow", pytest.param("jax", marks=pytest.mark.slow)])


def start_run(data, out, *words, backend="tensorflow", **changes):
    sets = [word for key, value in (CHANGES | changes).items() for word in ("--set", f"{key}={value}")]
    words = ["train", "swrn-22-1-2.cifar10.cpu", "--data", data, "--out", out, *sets, *words]
    return start_workers("recurzoo", *words, "--strategy", "multiworker", "--json", KERAS_BACKEND=backend)


def epochs_done(folder):
    path = folder / "training.csv"
    return len(list(csv.DictReader(path.open()))) if path.exists() else 0


def weights(folder):
    return load_file(folder / "rc-1-w4.pets" / "model.safetensors")


def assert_equal_weights(found, wanted):
    for name, value in wanted.items():
        assert np.linalg.norm(found[name] - value) <= 1e-4 * np.linalg.norm(value) + 1e-6, name


def assert_one_sentence(errors):
    (line,) = [line for line in errors.splitlines() if line.startswith("recurzoo:")]
    assert "Traceback" not in errors
    return line


@BACKENDS
def test_workers_that_differ_are_refused_in_the_same_sentence(tmp_path, backend):
    data = write_folder(tmp_path / "pets")
    changes = {"epochs": 2, "optimizer.momentum": "0.{worker}5"}
    ends = finish(*start_run(data, tmp_path / "run", backend=backend, **changes))
    assert [status for status, _, _ in ends] == [1, 1]
    lines = {assert_one_sentence(errors) for _, _, errors in ends}
    assert len(lines) == 1
    assert "worker 1, optimizer.momentum=0.15, and the chief's is 0.05" in lines.pop()
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@BACKENDS
def test_only_the_chief_writes(tmp_path, backend):
    data = write_folder(tmp_path / "pets")
    workers = start_run(data, tmp_path / "{worker}", backend=backend, epochs=2)
    (status, output, _), (other, others_output, _) = finish(*workers)
    assert (status, other) == (0, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "pets"]
    record = json.loads((tmp_path / "0" / "rc-1-w4.pets" / "record.json").read_text())
    assert record["strategies"] == {"multiworker, 2 replicas": 2}
    assert json.loads(output)["scores"]
    assert not json.loads(others_output)["scores"]


@pytest.mark.slow
@BACKENDS
@pytest.mark.parametrize("killed", [[0], [1], [0, 1]], ids=["chief", "other", "both"])
def test_a_run_goes_on_after_workers_were_killed(tmp_path, killed, backend):
    data = write_folder(tmp_path / "pets")

    def start(folder, *words):
        return start_run(data, tmp_path / folder, *words, backend=backend, epochs=40)

    assert all(not status for status, _, _ in finish(*start("whole")))
    workers = start("run")
    wait_for(lambda: epochs_done(tmp_path / "run") >= 3, workers)
    for worker in killed:
        workers[worker].send_signal(signal.SIGKILL)
    ends = finish(*workers, seconds=60)
    for worker, (status, _, errors) in enumerate(ends):
        if worker in killed:
            assert status == -signal.SIGKILL
        elif status == -signal.SIGABRT:
            # JAX's own end, where the chief is gone.
            assert backend == "jax"
            assert killed == [0]
        else:
            assert status == 1
            assert "--resume" in assert_one_sentence(errors)
    assert 3 <= epochs_done(tmp_path / "run") < 40
    assert all(not status for status, _, _ in finish(*start("run", "--resume")))
    assert_equal_weights(weights(tmp_path / "run"), weights(tmp_path / "whole"))


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of its own, of 400 KB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("Only root may mount a disk.")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.slow
@BACKENDS
def test_a_run_goes_on_after_the_chiefs_disk_was_full(tmp_path, small_disk, backend):
    data = write_folder(tmp_path / "pets")
    whole, run = tmp_path / "whole", small_disk / "run"
    assert all(not status for status, _, _ in finish(*start_run(data, whole, backend=backend, epochs=40)))
    workers = start_run(data, run, backend=backend, epochs=40)
    wait_for(lambda: epochs_done(run) >= 3, workers)
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="No space left"):
        ballast.write_bytes(bytes(400_000))
    (chief, _, errors), (other, _, others_errors) = finish(*workers, seconds=60)
    assert chief == 1
    assert "The disk is full" in assert_one_sentence(errors)
    if other != -signal.SIGABRT or backend != "jax":
        assert other == 1
        assert "--resume" in assert_one_sentence(others_errors)
    ballast.unlink()
    assert all(not status for status, _, _ in finish(*start_run(data, run, "--resume", backend=backend, epochs=40)))
    assert_equal_weights(weights(run), weights(whole))


@pytest.mark.slow
def test_ten_kills_at_random_moments(tmp_path):
    """Of one worker or both, while they start, train, measure or write."""
    data = write_folder(tmp_path / "pets")
    assert all(not status for status, _, _ in finish(*start_run(data, tmp_path / "whole", epochs=60)))
    moments = random.Random(0)
    for kill in range(10):
        workers = start_run(data, tmp_path / "run", *["--resume"] * (kill > 0), epochs=60)
        victims = moments.choice([[0], [1], [0, 1]]) if kill % 2 else [0, 1]
        # Whoever starts waits for the others, also for one that was killed while it started.
        if kill % 2:
            before = epochs_done(tmp_path / "run")
            wait_for(lambda before=before: epochs_done(tmp_path / "run") > before, workers)
            time.sleep(moments.uniform(0, 0.5))
        else:
            time.sleep(moments.uniform(0, 15))
        for worker in victims:
            workers[worker].send_signal(signal.SIGKILL)
        for worker, (status, _, _) in enumerate(finish(*workers, seconds=60)):
            assert status == (-signal.SIGKILL if worker in victims else 1), (kill, worker)
    assert 5 <= epochs_done(tmp_path / "run") < 60
    assert all(not status for status, _, _ in finish(*start_run(data, tmp_path / "run", "--resume", epochs=60)))
    assert_equal_weights(weights(tmp_path / "run"), weights(tmp_path / "whole"))


def wait_for(condition, workers):
    deadline = time.monotonic() + 200
    while not condition() and all(worker.poll() is None for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert condition()
