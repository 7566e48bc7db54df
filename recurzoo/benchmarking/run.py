"""Times networks in turns, so that whatever else the machine does falls on both alike."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from recurzoo.base.environment import describe_hardware, describe_versions
from recurzoo.benchmarking.report import BenchmarkReport, Comparison, median_interval
from recurzoo.layers.operations import macs
from recurzoo.models import ZooModel
from recurzoo.rewriting.fold import has_soft_banks, materialize

# A backward pass costs two forward passes.
FORWARD_PASSES = {"train": 3, "predict": 1, "predict materialized": 1}


def benchmark(
    model: str | ZooModel,
    against: str | ZooModel | None = None,
    batch: int = 32,
    pairs: int = 20,
    min_seconds: float = 0.1,
    matmul_size: int = 2048,
    bound: float | None = None,
) -> BenchmarkReport:
    """Measure how fast a network trains and predicts, alone or against another.

    Three tasks are timed: a training step (SGD with Nesterov momentum), `predict_on_batch`, and at batch 1 the same
    with soft banks materialized. In every turn both networks and a matrix product of the same precision are timed, in
    alternating order. Networks are built anew with random weights; models given stay as they are.

    Args:
        model: a `ZooModel`, or an architecture's name.
        against: likewise, what to compare with.
        batch: int, images a training step and a prediction.
        pairs: int, turns a task.
        min_seconds: float, how long one timing lasts at least; short tasks are repeated.
        matmul_size: int, rows and columns of the matrix product that stands for the machine's peak.
        bound: float, by how much longer `model` may take than `against`: the report has failed where even the lower end
            of a ratio's interval exceeds it. None for no bound.

    Returns:
        A `BenchmarkReport`.

    Raises:
        ValueError: if `batch` or `pairs` is not positive, a name is no architecture's, or an image size is not fixed.

    Example:
        >>> print(recurzoo.benchmark("swrn-28-4-2", against="wrn-28-4", batch=32))
    """
    check_counts(batch, pairs)
    networks = [_fresh(network) for network in (model, against) if network is not None]
    operations = [macs(network) for network in networks]
    peak = _matmul(matmul_size, networks[0].compute_dtype)
    peak_flops = 2 * matmul_size**3

    comparisons = []
    peak_rates: list[float] = []
    for task in FORWARD_PASSES:
        images = 1 if task == "predict materialized" else batch
        calls = [_call(task, network, images) for network in networks]
        seconds = take_turns([*calls, peak], pairs, min_seconds)
        peak_rates += list(peak_flops / seconds[-1])
        comparisons.append(compare(task, images, operations, seconds, peak_flops, bound))
    return BenchmarkReport(
        model=_name(model),
        against=None if against is None else _name(against),
        pairs=pairs,
        macs=operations[0],
        against_macs=None if against is None else operations[1],
        peak_gflops=float(np.median(peak_rates)) / 1e9,
        hardware=describe_hardware(),
        versions=describe_versions(),
        comparisons=tuple(comparisons),
    )


def check_counts(batch: int, pairs: int) -> None:
    """Refuse to time nothing.

    Raises:
        ValueError: if there is no image, or no pair.
    """
    if batch < 1 or pairs < 1:
        raise ValueError(f"A benchmark needs an image and a pair at least. Received: batch={batch}, pairs={pairs}")


def compare(
    task: str, images: int, operations: list[int], seconds: np.ndarray, peak_flops: float, bound: float | None = None
) -> Comparison:
    """Turn timings into a comparison.

    Args:
        task: one of the keys of `FORWARD_PASSES`.
        images: int, images a call.
        operations: multiply-accumulates an image, of one network or of two.
        seconds: array `(networks + 1, turns)`, the matrix product's last.
        peak_flops: float, floating-point operations of the matrix product.
        bound: float, of the ratio of times; None for none.

    Returns:
        A `Comparison`.
    """
    *networks, peak = seconds
    speeds = [float(np.median(images / timed)) for timed in networks]
    work = [2 * FORWARD_PASSES[task] * images * count for count in operations]
    shares = [median_interval(flops / timed * peak / peak_flops) for flops, timed in zip(work, networks, strict=True)]
    alone = Comparison(task=task, batch=images, images_per_second=speeds[0], share_of_peak=shares[0])
    if len(networks) == 1:
        return alone
    return alone.replace(
        against_images_per_second=speeds[1],
        against_share_of_peak=shares[1],
        ratio=median_interval(networks[0] / networks[1]),
        bound=bound,
    )


def step_of(model: str | ZooModel, batch: int) -> tuple[str, tuple[int, int], Callable[[], Any]]:
    """A network's name, the size of its images, and a training step of it on random ones."""
    network = _fresh(model)
    return _name(model), network.input_shape[1:3], _call("train", network, batch)


def _name(network: str | ZooModel) -> str:
    return network if isinstance(network, str) else network.name


def _fresh(network: str | ZooModel) -> ZooModel:
    if isinstance(network, str):
        from recurzoo.zoo.loading import create

        return create(network)
    return network.with_architecture()


def _call(task: str, network: ZooModel, images: int) -> Callable[[], Any]:
    """What to time; returns when the device has finished."""
    if task == "predict materialized" and has_soft_banks(network):
        network = materialize(network)
    network.compile(
        # The rate is so small that the weights stay in the range where arithmetic is fast.
        optimizer=keras.optimizers.SGD(1e-4, momentum=0.9, nesterov=True),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        # On a CPU TensorFlow runs faster without XLA.
        jit_compile=keras.backend.backend() == "jax",
    )
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (images, *network.input_shape[1:])).astype("float32")
    if task != "train":
        return lambda: network.predict_on_batch(x)
    y = rng.integers(0, network.output_shape[-1], (images, *network.output_shape[1:-1], 1))

    def step() -> None:
        network.train_on_batch(x, y)
        # The loss is ready before the update is.
        ops.convert_to_numpy(network.trainable_variables[-1])

    return step


def _matmul(size: int, dtype: str) -> Callable[[], Any]:
    rng = np.random.default_rng(0)
    a, b = (ops.convert_to_tensor(rng.normal(size=(size, size)), dtype) for _ in range(2))
    # One number fetched, so that the whole product is done.
    return lambda: ops.convert_to_numpy(ops.matmul(a, b)[0, 0])


def take_turns(calls: list[Callable[[], Any]], pairs: int, min_seconds: float) -> np.ndarray:
    """Time calls in turns: seconds a call, `(calls, pairs)`; each turn runs in the reverse order of the one before."""
    repeats = []
    for call in calls:
        for _ in range(2):
            call()
        repeats.append(max(math.ceil(min_seconds / _seconds(call, 1)), 1))
    seconds = np.zeros((len(calls), pairs))
    order = list(range(len(calls)))
    for pair in range(pairs):
        for index in order:
            seconds[index, pair] = _seconds(calls[index], repeats[index])
        order.reverse()
    return seconds


def _seconds(call: Callable[[], Any], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats
