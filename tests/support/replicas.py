"""Tiny networks of all kinds, trained for 20 steps; run by itself to train them by a strategy, in a process of its own.

All in float64: float32's rounding, which differs from run to run, grows within 20 steps wherever it decides a ReLU.

`python -m tests.support.replicas STRATEGY FILE [CASE...]` trains `CASES` and writes their losses and weights.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).parent.parent.parent
STEPS, BATCH = 20, 8
# No recipe's: a network of the zoo that a user trains.
STOCK = "stock"
# Its images are decoded when they are needed.
STREAMED = "streamed"
SGD = {"learning_rate": 0.05, "weight_decay": 5e-4}
# Each with another half of what a recipe can say of optimizing.
CASES: dict[str, dict[str, Any]] = {
    "swrn": {"optimizer": SGD, "average": {"last": 1.0, "decay": 0.9}, "label_smoothing": 0.1},
    "relaxed": {
        "optimizer": {**SGD, "learning_rate": 0.01},
        "schedule": {"kind": "steps", "epochs": [1]},
        "pull": {"start": 1e-3, "end": 1e-1},
    },
    "rc": {"optimizer": {**SGD, "clip_value": 0.01}, "schedule": {"kind": "cosine", "warmup": 0.2}},
    "frnn": {"optimizer": SGD, "schedule": {"kind": "linear"}},
    "recurrent": {"optimizer": {"kind": "muon", "learning_rate": 0.05, "kernel_rate": 0.02, "weight_decay": 5e-4}},
    "adam": {"optimizer": {"kind": "adam", "clip_value": 0.01}},
    STREAMED: {"optimizer": SGD, "augmentation": {"resized_crop": 0.5, "flip": True}},
}


@contextlib.contextmanager
def in_float64() -> Iterator[None]:
    import keras

    before, policy = keras.config.floatx(), keras.config.dtype_policy()
    doubles: Any = contextlib.nullcontext()
    if keras.backend.backend() == "jax":
        import jax

        doubles = jax.enable_x64(True)
    # A policy that was ever set says more than this.
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        with doubles:
            yield
    finally:
        keras.config.set_floatx(before)
        keras.config.set_dtype_policy(policy)


def make_network(case: str) -> Any:
    from recurzoo.models import FRNN, RC, SWRN, RelaxedResNet

    small = {"num_classes": 5, "input_shape": (8, 8, 3)}
    return {
        "swrn": lambda: SWRN(16, 1, 2, **small),
        "relaxed": lambda: RelaxedResNet((2, 2, 2), "relaxed", death_rate=0.5, **small),
        "rc": lambda: RC(2, 4, **small),
        "frnn": lambda: FRNN(((8, 4), (4, 8)), readout=3, prenet=1, **small),
        "recurrent": lambda: SWRN(16, 1, 2, recurrence=0.01, **small),
        "adam": lambda: RC(1, 4, **small),
        STREAMED: lambda: RC(1, 4, **small),
    }[case]()


def train_case(case: str, strategy: Any) -> dict[str, np.ndarray]:
    """Losses, step by step, and all weights after two epochs of ten steps."""
    import keras

    from recurzoo.catalog.recipe import Recipe
    from recurzoo.data.sets import StoredImages
    from recurzoo.training.relaxation import make_pull_callbacks
    from recurzoo.training.trainer import make_trainer, train_epoch

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (STEPS * BATCH // 2, 8, 8, 3)).astype("uint8")
    targets = np.eye(5, dtype="float32")[rng.integers(0, 5, len(images))]
    common = {"name": case, "architecture": case, "dataset": "x", "epochs": 2, "batch_size": BATCH, "image_size": 8}
    recipe = Recipe(**{**common, **CASES[case]})
    keras.utils.set_random_seed(0)
    with strategy.scope():
        network = make_network(case)
    if case == STREAMED:
        images = StoredImages([as_png(image) for image in images], (8, 8))
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=recipe.label_smoothing)
    trainer = make_trainer(recipe, network, images, [0, 0, 0], loss, accuracy, strategy)
    losses: list[float] = []
    watch = keras.callbacks.LambdaCallback(on_train_batch_end=lambda step, logs: losses.append(float(logs["loss"])))
    for epoch in range(2):
        train_epoch(trainer, recipe, targets, epoch, [watch, *make_pull_callbacks(recipe, network)])
    copies = [copies_of(weight.value) for weight in trainer.state]
    if trainer.average is not None:
        trainer.average.copy_to(network)
    return describe(case, network, losses, copies, strategy)


def accuracy() -> list[Any]:
    import keras

    return [keras.metrics.CategoricalAccuracy(name="accuracy")]


def as_png(image: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG")
    return content.getvalue()


def describe(
    case: str, network: Any, losses: list[float], copies: list[list[np.ndarray]], strategy: Any
) -> dict[str, np.ndarray]:
    """What is compared: losses, weights, how many copies there are of them, and how far these lie apart."""
    import keras

    apart = max((abs(copy - first).max() for first, *others in copies for copy in others), default=0)
    return {
        **{f"{case}/{weight.path}": keras.ops.convert_to_numpy(weight) for weight in network.weights},
        f"{case}/losses": np.array(losses),
        f"{case}/apart": np.array(apart),
        f"{case}/copies": np.array([len(copies[0]), strategy.replicas, strategy.workers]),
    }


def fit_as_users_do(strategy: Any) -> dict[str, np.ndarray]:
    """Losses and weights of a network of the zoo after two epochs of Keras' own `fit`."""
    import keras

    import recurzoo

    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (STEPS * BATCH // 2, 8, 8, 3)).astype("uint8"), rng.integers(0, 5, 80)
    keras.utils.set_random_seed(0)
    losses: list[float] = []
    watch = keras.callbacks.LambdaCallback(on_train_batch_end=lambda step, logs: losses.append(float(logs["loss"])))
    with strategy.scope():
        network = recurzoo.create("rc-1-w4", num_classes=5, input_shape=(8, 8, 3))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        network.compile(keras.optimizers.SGD(0.05), loss, metrics=["accuracy"], jit_compile=False)
        fed = strategy.arrays(images, labels, batch_size=BATCH)
        network.fit(**fed, epochs=2, shuffle=False, verbose=0, callbacks=[watch])
    copies = [copies_of(weight.value) for weight in network.weights]
    return describe(STOCK, network, losses, copies, strategy)


def train_cases(cases: Sequence[str], word: str) -> dict[str, np.ndarray]:
    """What is compared of all these cases; each asks anew for the strategy, as several trainings of a process do."""
    from recurzoo.training.strategy import find_strategy

    found: dict[str, np.ndarray] = {}
    with in_float64():
        for case in cases:
            strategy = find_strategy(word)
            found |= train_case(case, strategy) if case in CASES else fit_as_users_do(strategy)
    return found


def copies_of(value: Any) -> list[np.ndarray]:
    """What each replica of this process has of a weight."""
    if hasattr(value, "addressable_shards"):
        return [np.asarray(shard.data) for shard in value.addressable_shards]
    return [copy.numpy() for copy in getattr(value, "values", [value])]


def start(module: str, *words: Any, **environment: str) -> subprocess.Popen[str]:
    """Start a module in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *map(str, words)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_workers(module: str, *words: Any, count: int = 2, **environment: str) -> list[subprocess.Popen[str]]:
    """Start workers of one cluster on this machine; of the words, `{worker}` is each one's number."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for found in sockets:
            found.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{found.getsockname()[1]}" for found in sockets]
    tasks = [{"cluster": {"worker": addresses}, "task": {"type": "worker", "index": n}} for n in range(count)]
    return [
        start(module, *(str(word).format(worker=n) for word in words), TF_CONFIG=json.dumps(task), **environment)
        for n, task in enumerate(tasks)
    ]


def finish(*processes: subprocess.Popen[str], seconds: float = 300) -> list[tuple[int, str, str]]:
    """Wait for processes, and give each one's status, output and errors."""
    try:
        ends = [process.communicate(timeout=seconds) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(process.returncode, *end) for process, end in zip(processes, ends, strict=True)]


def main(word: str, file: str, *cases: str) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    if word == "mirrored" and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    np.savez(file, **train_cases(cases or (*CASES, STOCK), word))


if __name__ == "__main__":
    main(*sys.argv[1:])
