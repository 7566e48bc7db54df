"""Runs spread over devices and processes: the same training as on one device, and nothing but one chief's files."""

import keras
import numpy as np
import pytest

from recurzoo.training.strategy import Strategy
from tests.support.replicas import CASES, STEPS, finish, start, start_workers, train_case

SCRIPT = "tests.support.replicas"
FAST = ("rc", "adam")
SLOW = tuple(case for case in CASES if case not in FAST)
TWO_HOSTS = "--xla_force_host_platform_device_count=2"


@pytest.fixture(scope="module")
def on_one_device(tmp_path_factory):
    """The cases trained on one device, each once: on the backend of these tests, or on JAX."""
    found = {}

    def train(case, backend="tensorflow"):
        if (case, backend) not in found:
            if backend == keras.backend.backend():
                found[case, backend] = train_case(case, Strategy())
            else:
                file = tmp_path_factory.mktemp(case) / "one.npz"
                succeed(start(SCRIPT, "none", file, case, KERAS_BACKEND=backend))
                found[case, backend] = dict(np.load(file))
        return found[case, backend]

    return train


def succeed(*processes):
    for status, _, errors in finish(*processes):
        assert status == 0, errors[-3000:]


def assert_same_training(found, wanted, case, copies, replicas, workers):
    assert found[f"{case}/copies"].tolist() == [copies, replicas, workers]
    assert found[f"{case}/apart"] == 0
    assert len(wanted[f"{case}/losses"]) == STEPS
    np.testing.assert_allclose(found[f"{case}/losses"], wanted[f"{case}/losses"], rtol=1e-4)
    for name, value in wanted.items():
        if name.removeprefix(f"{case}/") not in ("losses", "copies", "apart"):
            # Biases before a normalization have no gradient but rounding: of the order of 1e-8.
            assert np.linalg.norm(found[name] - value) <= 1e-4 * np.linalg.norm(value) + 1e-6, name


@pytest.mark.tensorflow
@pytest.mark.parametrize("cases", [FAST, pytest.param(SLOW, marks=pytest.mark.slow)], ids=["fast", "slow"])
def test_two_devices_learn_what_one_does(tmp_path, on_one_device, cases):
    succeed(start(SCRIPT, "mirrored", tmp_path / "two.npz", *cases))
    found = np.load(tmp_path / "two.npz")
    for case in cases:
        assert_same_training(found, on_one_device(case), case, copies=2, replicas=2, workers=1)


@pytest.mark.tensorflow
@pytest.mark.slow
def test_two_processes_learn_what_one_does(tmp_path, on_one_device):
    succeed(*start_workers(SCRIPT, "multiworker", tmp_path / "{worker}.npz"))
    for worker in (0, 1):
        found = np.load(tmp_path / f"{worker}.npz")
        for case in CASES:
            assert_same_training(found, on_one_device(case), case, copies=1, replicas=2, workers=2)


@pytest.mark.parametrize("cases", [("rc",), pytest.param(tuple(CASES), marks=pytest.mark.slow)], ids=["fast", "slow"])
def test_two_devices_learn_what_one_does_on_jax(tmp_path, on_one_device, cases):
    pytest.importorskip("jax")
    succeed(start(SCRIPT, "mirrored", tmp_path / "two.npz", *cases, KERAS_BACKEND="jax", XLA_FLAGS=TWO_HOSTS))
    found = np.load(tmp_path / "two.npz")
    for case in cases:
        assert_same_training(found, on_one_device(case, "jax"), case, copies=2, replicas=2, workers=1)
