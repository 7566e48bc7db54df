"""Runs spread over devices and processes: the same training as on one device, and nothing but one chief's files."""

import contextlib
import subprocess
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from recurzoo.catalog.recipe import Recipe
from recurzoo.training.strategy import JaxStrategy, Strategy, TensorFlowStrategy, find_strategy
from tests.support.replicas import (
    CASES,
    STEPS,
    STOCK,
    finish,
    start,
    start_workers,
    train_cases,
)

SCRIPT = "tests.support.replicas"
ALL = (*CASES, STOCK)
FAST = ("rc", STOCK)
SLOW = tuple(case for case in ALL if case not in FAST)
TWO_HOSTS = "--xla_force_host_platform_device_count=2"
ON_JAX = pytest.mark.parametrize("cases", [("rc",), pytest.param(ALL, marks=pytest.mark.slow)], ids=["fast", "slow"])


@pytest.fixture(scope="module")
def on_one_device():
    """The cases trained on one device, each once."""
    found = {}

    def train(case):
        if case not in found:
            found[case] = train_cases([case], "none")
        return found[case]

    return train


def succeed(*processes):
    for status, _, errors in finish(*processes, seconds=1500):
        assert status == 0, errors[-3000:]


def assert_same_training(found, wanted, case, copies, replicas, workers):
    assert found[f"{case}/copies"].tolist() == [copies, replicas, workers]
    assert found[f"{case}/apart"] == 0
    assert len(wanted[f"{case}/losses"]) == STEPS
    np.testing.assert_allclose(found[f"{case}/losses"], wanted[f"{case}/losses"], rtol=1e-9)
    for name, value in wanted.items():
        if name.removeprefix(f"{case}/") not in ("losses", "copies", "apart"):
            # Biases before a normalization have no gradient but rounding.
            assert np.linalg.norm(found[name] - value) <= 1e-9 * np.linalg.norm(value) + 1e-12, name


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
        for case in ALL:
            assert_same_training(found, on_one_device(case), case, copies=1, replicas=2, workers=2)


@pytest.mark.jax
@ON_JAX
def test_two_devices_learn_what_one_does_on_jax(tmp_path, on_one_device, cases):
    succeed(start(SCRIPT, "mirrored", tmp_path / "two.npz", *cases, XLA_FLAGS=TWO_HOSTS))
    found = np.load(tmp_path / "two.npz")
    for case in cases:
        assert_same_training(found, on_one_device(case), case, copies=2, replicas=2, workers=1)


@pytest.mark.jax
@ON_JAX
def test_two_processes_learn_what_one_does_on_jax(tmp_path, on_one_device, cases):
    succeed(*start_workers(SCRIPT, "multiworker", tmp_path / "{worker}.npz", *cases))
    for worker in (0, 1):
        found = np.load(tmp_path / f"{worker}.npz")
        for case in cases:
            assert_same_training(found, on_one_device(case), case, copies=1, replicas=2, workers=2)


@pytest.mark.tensorflow
def test_keras_still_needs_its_mends():
    """Where one of these fails, a mend in `recurzoo.training.strategy` can go."""
    import tensorflow as tf
    from keras.src.backend.tensorflow import trainer as keras_trainer
    from tensorflow.python.distribute.values import PerReplica

    class Recorder(tf.distribute.MultiWorkerMirroredStrategy):
        """Two workers that are not there."""

        extended = SimpleNamespace(_in_multi_worker_mode=lambda: True)

        def __init__(self):
            self.reduced = []

        def scope(self):
            return contextlib.nullcontext()

        def reduce(self, reduce_op, value, axis=None):
            self.reduced.append((value, axis))

    # Keras issue 20585: the first axis of a scalar, and the mean of a tuple.
    recorder, scalar = Recorder(), tf.constant(1.0)
    keras_trainer.reduce_per_replica(scalar, recorder, "auto")
    assert recorder.reduced == [(scalar, 0)]
    recorder = Recorder()
    batch = (PerReplica([tf.constant([1]), tf.constant([2])]),)
    model = SimpleNamespace(
        _distribute_strategy=recorder, distribute_strategy=recorder, _symbolic_build=lambda data_batch: None
    )
    keras_trainer.TensorFlowTrainer._maybe_symbolic_build(model, iterator=[(0, 0, iter([batch]))])
    assert recorder.reduced == [(batch, None)]

    # Gradients are clipped before those of other replicas are added.
    optimizer, done = keras.optimizers.SGD(clipvalue=1.0), []
    variable = keras.Variable([1.0])
    optimizer.build([variable])
    clip, add = optimizer._clip_gradients, optimizer._all_reduce_sum_gradients
    optimizer._clip_gradients = lambda gradients: done.append("clip") or clip(gradients)
    optimizer._all_reduce_sum_gradients = lambda pairs: done.append("add") or add(pairs)
    optimizer.apply([tf.constant([3.0])], [variable])
    assert done == ["clip", "add"]


TWICE = """
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
for size in (3, 4):
    strategy = tf.distribute.MirroredStrategy([device.name for device in tf.config.list_logical_devices("CPU")])
    sum_up = lambda: tf.distribute.get_replica_context().all_reduce("sum", tf.ones(size))
    tf.function(lambda: strategy.run(sum_up))()
"""


@pytest.mark.tensorflow
def test_tensorflow_still_confuses_the_strategies_of_a_process():
    """Where this fails, the strategies of `recurzoo.training.strategy` need no cache."""
    run = subprocess.run([sys.executable, "-c", TWICE], capture_output=True, text=True)
    assert "Shape mismatch in the collective instance" in run.stderr


@pytest.mark.parametrize("word", ["all", "", "mirrored "])
def test_words_that_name_no_strategy(word):
    with pytest.raises(ValueError, match="Received"):
        find_strategy(word)


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "config",
    ["", "[]", '{"cluster": {}}', '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}'],
)
def test_clusters_that_are_none(monkeypatch, config):
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(ValueError, match="TF_CONFIG"):
        find_strategy("multiworker")


@pytest.mark.jax
def test_workers_share_out_whole_batches():
    strategy = JaxStrategy("multiworker", worker=1, workers=2)
    rows, targets = np.arange(12)[:, None], np.arange(12)
    own = strategy.arrays(rows, targets, batch_size=6)
    assert own["x"].ravel().tolist() == own["y"].tolist() == [3, 4, 5, 9, 10, 11]
    assert own["batch_size"] == 3
    for batch_size in (5, 3):
        with pytest.raises(ValueError, match=f"Received: batch_size={batch_size}, 12 images, 2 workers"):
            strategy.arrays(rows, targets, batch_size)


@pytest.mark.tensorflow
@pytest.mark.parametrize("replicas", [1, 2])
def test_an_epoch_has_its_batches_in_order_and_no_autotuning_to_wait_for(replicas):
    """Whose thread misses as often as not that an epoch has ended; Keras' own datasets have it."""
    x, y = np.arange(24, dtype="int32").reshape(12, 2), np.arange(12.0)
    strategy, how = Strategy(), []
    if replicas > 1:

        def distribute(make, options):
            how.append(options)
            return [make(SimpleNamespace(input_pipeline_id=part, num_input_pipelines=2)) for part in range(2)]

        tensorflow = SimpleNamespace(num_replicas_in_sync=2, distribute_datasets_from_function=distribute)
        strategy = TensorFlowStrategy("mirrored", tensorflow)

    def stream(rows, size):
        return [(rows[place : place + size], rows[place : place + size, 0] / 2) for place in range(0, len(rows), size)]

    for fed in (strategy.batches(x, y, batch_size=6)["x"], strategy.feed(stream, x, batch_size=6)):
        size = 6 // replicas
        for replica, batches in enumerate(fed if replicas > 1 else [fed]):
            assert batches.options().autotune.enabled is False
            for step, (images, targets) in enumerate(batches.as_numpy_iterator()):
                place = 6 * step + size * replica
                np.testing.assert_array_equal(images, x[place : place + size])
                np.testing.assert_array_equal(targets, y[place : place + size])
            assert step == 1
    # By the one iterator of all devices each would have another one, which is tuned.
    for options in how:
        assert options.experimental_replication_mode.name == "PER_REPLICA"
        assert options.experimental_fetch_to_device is False


def test_one_device_has_no_strategy():
    strategy = find_strategy("auto")
    assert (strategy.kind, strategy.replicas, strategy.chief) == ("none", 1, True)
    assert strategy.share(b"mine") == b"mine"


@pytest.mark.tensorflow
@pytest.mark.parametrize("settings", [{"batch_size": 7}, {"accumulate": 2}, {"remat": True}])
def test_what_several_devices_cannot_train_is_refused(settings):
    common = {"name": "x", "architecture": "x", "dataset": "x", "epochs": 1}
    strategy = TensorFlowStrategy("mirrored", SimpleNamespace(num_replicas_in_sync=2))
    strategy.check(Recipe(**common))
    with pytest.raises(ValueError, match="Received: .*" + "=".join(map(str, *settings.items()))):
        strategy.check(Recipe(**common, **settings))
