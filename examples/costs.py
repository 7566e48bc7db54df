"""What training, predicting and starting cost: the tables of docs/costs.md.

`python examples/costs.py pytorch|size|replicas|start`, each on an idle machine. All times are ratios of what was timed
in turns. `pytorch` needs torch; `replicas` and `start` time processes. Together they take half an hour on 2 cores.
"""

# ruff: noqa: E402
import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from recurzoo.base.environment import import_quietly

# TensorFlow is talkative when it starts.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import_quietly("tensorflow")

import numpy as np

import recurzoo
from recurzoo.benchmarking.report import median_interval
from recurzoo.benchmarking.run import step_of, take_turns
from recurzoo.layers.operations import macs

BATCH, PAIRS, MIN_SECONDS = 32, 15, 0.2
# Of a network of each, what grows: depth, steps, width, and the images of a batch.
SIZES = {
    "depth": [(f"swrn-{depth}-2-2", BATCH) for depth in (16, 22, 28, 40)],
    "steps": [(f"rc-{steps}-w16", BATCH) for steps in (2, 4, 8)],
    "width": [(f"swrn-22-{width}-2", BATCH) for width in (1, 2, 4)],
    "batch": [("swrn-22-1-2", batch) for batch in (8, 32, 128)],
}
REPLICATED, REPLICATED_BATCH, STEPS = "swrn-22-1-2", 128, 20
STARTED = ("rc-4-w16", "frnn-3-t5-w16", "swrn-28-2-2")
PROCESSES = 5


def torch_step_and_predict(depth: int, width: int, templates: int | None, network):
    """A training step and a prediction of a Wide ResNet in PyTorch."""
    import torch
    from wide_resnet_pytorch import WideResNet

    torch.set_num_threads(os.cpu_count() or 1)
    twin = WideResNet(depth, width, templates)
    assert sum(weight.numel() for weight in twin.parameters()) == sum(
        int(np.prod(weight.shape)) for weight in network.trainable_weights
    )
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.integers(0, 256, (BATCH, 3, 32, 32)).astype("float32"))
    x, y = x.contiguous(memory_format=torch.channels_last), torch.tensor(rng.integers(0, 10, BATCH))
    optimizer = torch.optim.SGD(twin.parameters(), 1e-4, momentum=0.9, nesterov=True)

    def logits():
        return twin(x / 127.5 - 1)

    def train() -> None:
        twin.train()
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(logits(), y).backward()
        optimizer.step()

    def predict() -> None:
        twin.eval()
        with torch.inference_mode():
            logits().numpy()

    return train, predict


def pytorch() -> None:
    import torch

    print(f"| network | task | images/s by those of PyTorch {torch.__version__} |\n|---|---|---|")
    images = np.random.default_rng(0).integers(0, 256, (BATCH, 32, 32, 3)).astype("float32")
    for name, *size in (("wrn-16-4", 16, 4, None), ("swrn-28-4-2", 28, 4, 2)):
        network = recurzoo.create(name)
        theirs = torch_step_and_predict(*size, network)
        ours = step_of(network, BATCH)[2], partial(network.predict_on_batch, images)
        for task, *pair in zip(("training step", "predict"), ours, theirs, strict=True):
            seconds = take_turns(pair, PAIRS, MIN_SECONDS)
            print(f"| {name} | {task}, batch {BATCH} | {median_interval(seconds[1] / seconds[0])} |", flush=True)


def size() -> None:
    print("| what grows | network | batch | multiply-accumulates | time of a training step |\n|---|---|---:|---:|---:|")
    for title, members in SIZES.items():
        seconds = take_turns([step_of(name, batch)[2] for name, batch in members], PAIRS, MIN_SECONDS)
        work = [macs(recurzoo.create(name)) * batch for name, batch in members]
        for (name, batch), spent, operations in zip(members, seconds, work, strict=True):
            ratio = np.median(spent / seconds[0])
            print(f"| {title} | {name} | {batch} | {operations / work[0]:.2f} | {ratio:.2f} |", flush=True)


def train_by(strategy: str) -> float:
    """Seconds of a step in this process, alone or as one of two workers."""
    import keras
    import tensorflow as tf

    from recurzoo.training.strategy import find_strategy

    if strategy == "mirrored":
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    found, rng = find_strategy(strategy), np.random.default_rng(0)
    images = rng.integers(0, 256, (REPLICATED_BATCH * STEPS, 32, 32, 3)).astype("uint8")
    with found.scope():
        model = recurzoo.create(REPLICATED)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(1e-4), loss, jit_compile=False)
        fed = found.arrays(images, rng.integers(0, 10, len(images)), batch_size=REPLICATED_BATCH)
        ends: list[float] = []
        # Not by what `fit` takes, at whose end TensorFlow's iterators may wait.
        watch = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: ends.append(time.perf_counter()))
        for _ in range(2):
            model.fit(**fed, verbose=0, callbacks=[watch])
    return (ends[-1] - ends[STEPS]) / (STEPS - 1)


def replicas() -> None:
    times: dict[str, list[float]] = {"none": [], "mirrored": []}
    for _ in range(PROCESSES):
        for word, found in times.items():
            found.append(measure("train_by", word))
    ratio = statistics.median(one / two for one, two in zip(*times.values(), strict=True))
    print(
        f"Two replicas on {os.cpu_count()} cores: {ratio:.2f} of the images/s of one, {REPLICATED}, {PROCESSES} pairs"
    )


def first_prediction(path: str) -> float:
    """Seconds from a file or a name to the first prediction, imports included in neither."""
    import keras

    image = np.zeros((1, 32, 32, 3), "float32")
    # What TensorFlow does once in a process.
    keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(4, 3)]).predict(image, verbose=0)
    start = time.perf_counter()
    model = keras.models.load_model(path) if path.endswith(".keras") else recurzoo.load(path)
    model.predict(image, verbose=0)
    return time.perf_counter() - start


def first_step(name: str) -> float:
    """By how many later steps the first one is longer: what building the graph takes."""
    step = step_of(name, BATCH)[2]
    start = time.perf_counter()
    step()
    first = time.perf_counter() - start
    return first / take_turns([step], 3, MIN_SECONDS).min()


def start() -> None:
    print("| network | from disk to the first prediction, by Keras' own file | first training step, in later ones |")
    print("|---|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for name in STARTED:
            path = str(Path(folder, f"{name}.keras"))
            recurzoo.load(name).save(path)
            pairs = [[measure("first_prediction", words) for words in (name, path)] for _ in range(PROCESSES)]
            ratio = statistics.median(ours / keras for ours, keras in pairs)
            print(f"| {name} | {ratio:.2f} | {measure('first_step', name):.0f} |", flush=True)


def measure(function: str, word: str) -> float:
    """What a function of this file gives in a process of its own."""
    command = [sys.executable, __file__, function, word]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


if len(sys.argv) > 2:
    print(globals()[sys.argv[1]](sys.argv[2]))
else:
    {"pytorch": pytorch, "size": size, "replicas": replicas, "start": start}[sys.argv[1]]()
