"""The devices that a run is spread over, and every mend that Keras needs for it."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import cache, partial
from typing import Any, Literal, get_args

import keras
import numpy as np

from recurzoo.base.documents import shorten
from recurzoo.base.environment import accelerators
from recurzoo.catalog.recipe import Recipe

Words = Literal["auto", "mirrored", "multiworker", "none"]
# Seconds by which JAX's first worker outlives the others.
LEAVE = 2


class Strategy:
    """How a run is spread; this one, over nothing: one device.

    Each replica trains on its part of a batch, and all end a step with the same weights.

    Attributes:
        kind: `"none"`, `"mirrored"` (the devices of one machine) or `"multiworker"` (of several).
        replicas: int, how many devices train together.
        workers: int, how many processes.
        worker: int, which of them this one is, from 0.

    Example:
        >>> strategy = find_strategy("mirrored")
        >>> with strategy.scope():
        ...     model = recurzoo.create("rc-4-w16")
        ...     model.compile("sgd", "mse", jit_compile=False)
        ...     model.fit(**strategy.arrays(images, targets, batch_size=64))
    """

    kind = "none"
    # Whether a compiled call may be of several steps.
    several_steps = True
    replicas = 1
    workers = 1
    worker = 0

    @property
    def chief(self) -> bool:
        """Whether this process is the one that writes."""
        return self.worker == 0

    @property
    def title(self) -> str:
        """Kind and replicas, in words."""
        return self.kind if self.kind == "none" else f"{self.kind}, {self.replicas} replicas"

    def scope(self) -> AbstractContextManager[Any]:
        """Where networks and optimizers are made and trained, so that every replica has them."""
        return contextlib.nullcontext()

    def scope_of_data(self) -> AbstractContextManager[Any]:
        """Where what all replicas only read is made."""
        return contextlib.nullcontext()

    def check(self, recipe: Recipe) -> None:
        """Refuse a recipe that cannot be trained so.

        Raises:
            ValueError: if replicas cannot have equal parts of a batch, or Keras cannot save memory here.
        """
        if recipe.batch_size % (self.replicas * recipe.accumulate):
            raise ValueError(
                "Each replica has an equal part of a batch, or of each of the parts that it is accumulated from; take "
                f"another batch_size, or strategy='none'. Received: batch_size={recipe.batch_size}, "
                f"accumulate={recipe.accumulate} on {self.replicas} replicas"
            )

    def share(self, content: bytes, worker: int = 0) -> bytes:
        """Give all workers what one of them has; all must call this together.

        Args:
            content: what this worker has.
            worker: int, whose content it is to be.
        """
        return content

    def arrays(self, x: np.ndarray, y: np.ndarray, batch_size: int) -> dict[str, Any]:
        """What this worker gives Keras' `fit` of arrays that all workers have.

        Args:
            x: array of a row an image.
            y: array of as many targets.
            batch_size: int, of all replicas together.

        Returns:
            A dictionary of `x`, `y` and `batch_size`.

        Raises:
            ValueError: if several workers are to share out what is no number of whole batches.
        """
        return {"x": x, "y": y, "batch_size": batch_size}

    def batches(self, x: np.ndarray, y: np.ndarray, batch_size: int) -> dict[str, Any]:
        """The same of whole batches, for an epoch that takes them in their order."""
        if keras.backend.backend() == "tensorflow":
            return {"x": _dataset_of_arrays(x, y, batch_size)}
        return self.arrays(x, y, batch_size)

    def feed(self, stream: Callable[[np.ndarray, int], Any], drawn: np.ndarray, batch_size: int) -> Any:
        """What Keras' `fit` takes as a stream of batches, of which each worker reads its own part alone.

        Args:
            stream: gives the stream of rows of `drawn`, in batches of a size: a `grain.IterDataset`.
            drawn: array, a row an image, whole batches of them.
            batch_size: int, of all replicas together.
        """
        batches = stream(drawn, batch_size)
        return _dataset_of_stream(batches) if keras.backend.backend() == "tensorflow" else batches

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Tell of another worker's end in one sentence."""
        yield


class JaxStrategy(Strategy):
    """`keras.distribution.DataParallel`: one program over all devices of all processes.

    Args:
        kind: `"mirrored"` or `"multiworker"`.
        worker: int, which worker this process is.
        workers: int, how many there are.
    """

    def __init__(self, kind: str = "mirrored", worker: int = 0, workers: int = 1) -> None:
        self.kind = kind
        self.worker = worker
        self.workers = workers
        devices = keras.distribution.list_devices()
        self.replicas = len(devices)
        # Each worker brings its own part of a batch; Keras would share out a `tf.data.Dataset` and nothing else.
        self.distribution = keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False)

    def scope(self) -> AbstractContextManager[Any]:
        return self.distribution.scope()

    def scope_of_data(self) -> AbstractContextManager[Any]:
        return self.scope()

    def share(self, content: bytes, worker: int = 0) -> bytes:
        if self.workers == 1:
            return content
        from jax.experimental.multihost_utils import broadcast_one_to_all

        mine = worker == self.worker
        size = int(broadcast_one_to_all(np.int32(len(content)), is_source=mine))
        if not size:
            return b""
        numbers = np.frombuffer(content, "uint8") if mine else np.zeros(size, "uint8")
        return np.asarray(broadcast_one_to_all(numbers, is_source=mine)).tobytes()

    def arrays(self, x: np.ndarray, y: np.ndarray, batch_size: int) -> dict[str, Any]:
        return super().arrays(self._own(x, batch_size), self._own(y, batch_size), batch_size // self.workers)

    def feed(self, stream: Callable[[np.ndarray, int], Any], drawn: np.ndarray, batch_size: int) -> Any:
        return super().feed(stream, self._own(drawn, batch_size), batch_size // self.workers)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        try:
            yield
        except (RuntimeError, ValueError) as error:
            # JAX has no class of errors for it.
            if self.workers == 1 or not any(word in str(error) for word in ("Gloo ", "NCCL", "oordination service")):
                raise
            raise _lost(str(error)) from None

    def _own(self, rows: np.ndarray, batch_size: int) -> np.ndarray:
        """Of whole batches of rows those of this worker."""
        if len(rows) % batch_size or batch_size % self.workers:
            raise ValueError(
                "Workers share out whole batches, and of each batch equal parts. Received: "
                f"batch_size={batch_size}, {len(rows)} images, {self.workers} workers"
            )
        return _part(rows, batch_size, self.worker, self.workers)


class TensorFlowStrategy(Strategy):
    """One of TensorFlow's; Keras' loop over several steps in one call fails on it.

    Args:
        kind: `"mirrored"` or `"multiworker"`.
        strategy: a `tf.distribute.Strategy`.
        worker: int, which worker this process is.
        workers: int, how many there are.
    """

    several_steps = False

    def __init__(self, kind: str, strategy: Any, worker: int = 0, workers: int = 1):
        self.kind = kind
        self.strategy = strategy
        self.worker = worker
        self.workers = workers
        self.replicas = strategy.num_replicas_in_sync
        self._add: Any = None

    def scope(self) -> AbstractContextManager[Any]:
        return self.strategy.scope()

    def check(self, recipe: Recipe) -> None:
        super().check(recipe)
        # Keras issue 20582: it adds up the replicas' gradients under a condition, which TensorFlow refuses; and within
        # a step that is computed a second time it refuses to add up the replicas' statistics.
        if recipe.accumulate > 1 or recipe.remat:
            raise ValueError(
                "On TensorFlow memory is saved on one device only; give smaller batches to more replicas, or use JAX. "
                f"Received: accumulate={recipe.accumulate}, remat={recipe.remat} with strategy={self.kind!r}"
            )

    def share(self, content: bytes, worker: int = 0) -> bytes:
        if self.workers == 1:
            return content
        mine = worker == self.worker
        size = int(self._sum(np.array([len(content) if mine else 0], "int32"))[0])
        # Collective operations know no bytes.
        words = np.zeros(-(-size // 4), "int32")
        if mine:
            words[:] = np.frombuffer(content.ljust(4 * len(words), b"\0"), "int32")
        return self._sum(words).tobytes()[:size] if size else b""

    def batches(self, x: np.ndarray, y: np.ndarray, batch_size: int) -> dict[str, Any]:
        size = batch_size // self.replicas
        return {"x": self._spread(lambda part: _dataset_of_arrays(part(x), part(y), size), batch_size)}

    def feed(self, stream: Callable[[np.ndarray, int], Any], drawn: np.ndarray, batch_size: int) -> Any:
        # Of a stream that Keras shares out, every worker would decode all images.
        size = batch_size // self.replicas
        return self._spread(lambda part: _dataset_of_stream(stream(part(drawn), size)), batch_size)

    def _spread(self, make: Callable[[Callable[[np.ndarray], np.ndarray]], Any], batch_size: int) -> Any:
        """The datasets that are made of parts of whole batches: a part a device, or else a part a worker.

        A worker's one dataset goes to its devices by iterators that fetch ahead and have an autotuning that no option
        reaches. A dataset a device does without them, and TensorFlow knows that for one worker alone.
        """
        import tensorflow as tf

        options = None
        if self.workers == 1:
            options = tf.distribute.InputOptions(
                experimental_fetch_to_device=False,
                experimental_replication_mode=tf.distribute.InputReplicationMode.PER_REPLICA,
            )

        def make_one(context: Any) -> Any:
            part, parts = context.input_pipeline_id, context.num_input_pipelines
            return make(partial(_part, batch_size=batch_size, part=part, parts=parts))

        return self.strategy.distribute_datasets_from_function(make_one, options)

    def _sum(self, numbers: np.ndarray) -> np.ndarray:
        """The sum of all workers' int32 numbers."""
        import tensorflow as tf

        if self._add is None:

            def add(numbers: Any) -> Any:
                context = tf.distribute.get_replica_context()
                # Once a worker, not once a device of it.
                first = context.replica_id_in_sync_group % (self.replicas // self.workers) == 0
                return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.where(first, numbers, tf.zeros_like(numbers)))

            self._add = tf.function(
                lambda numbers: self.strategy.run(add, (numbers,)),
                input_signature=[tf.TensorSpec([None], "int32")],
            )
        return np.asarray(self.strategy.experimental_local_results(self._add(numbers))[0].numpy())

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        import tensorflow as tf

        names = ("Aborted", "Cancelled", "DeadlineExceeded", "FailedPrecondition", "Internal", "Unavailable", "Unknown")
        lost = tuple(getattr(tf.errors, f"{name}Error") for name in names)
        try:
            yield
        except lost as error:
            if self.workers == 1:
                raise
            if "joining a group" in error.message:
                raise ValueError(
                    "All workers name the same workers in TF_CONFIG, and have equal numbers of devices. "
                    f"Received: {self.replicas // self.workers} devices on each of {self.workers} workers here, and "
                    "others elsewhere"
                ) from None
            raise _lost(error.message) from None


def _part(rows: np.ndarray, batch_size: int, part: int, parts: int) -> np.ndarray:
    """Of whole batches of rows one of the equal parts of each batch."""
    return rows.reshape(-1, parts, batch_size // parts, *rows.shape[1:])[:, part].reshape(-1, *rows.shape[1:])


def _lost(message: str) -> ConnectionError:
    return ConnectionError(
        "Another worker has ended or cannot be reached; start all of them again with --resume. "
        f"Received: {shorten(message, 200)}"
    )


def find_strategy(word: str = "auto") -> Strategy:
    """The strategy that a word names, for training or for a network of your own.

    Several workers connect here, so this comes before anything else that computes.

    Args:
        word: `"none"`, one device; `"mirrored"`, all devices of this machine; `"multiworker"`, the machines that the
            environment variable `TF_CONFIG` names; `"auto"`, several machines where `TF_CONFIG` names them, or else
            several devices where this machine has two or more accelerators, or else one device.

    Returns:
        A `Strategy`.

    Raises:
        ValueError: if there is no such strategy, or not here.
    """
    if word not in get_args(Words):
        raise ValueError(f"A strategy is one of {', '.join(get_args(Words))}. Received: {shorten(word)}")
    backend = keras.backend.backend()
    if word == "auto":
        workers = len(_cluster()[0]) if backend != "torch" and os.environ.get("TF_CONFIG") else 1
        word = (
            "multiworker" if workers > 1 else "mirrored" if backend != "torch" and len(accelerators()) > 1 else "none"
        )
    if word == "none":
        return Strategy()
    if backend == "torch":
        raise ValueError(f"PyTorch trains on one device here; take TensorFlow or JAX. Received: strategy={word!r}")
    if backend == "jax":
        return JaxStrategy() if word == "mirrored" else _join_jax_workers(*_cluster())
    import tensorflow as tf

    if word == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return _mirror(tuple(device.name for device in devices))
    return _join_workers(*_cluster())


def _cluster() -> tuple[tuple[str, ...], int]:
    """The addresses of all workers, the chief's first, and the number of this one among them, by TF_CONFIG."""
    text = os.environ.get("TF_CONFIG", "")
    try:
        config = json.loads(text)
        cluster, task = config["cluster"], config["task"]
        addresses = (*cluster.get("chief", []), *cluster["worker"])
        if task["type"] not in ("chief", "worker"):
            raise ValueError(f"its task is a {task['type']}")
        number = int(task["index"]) + (len(cluster.get("chief", [])) if task["type"] == "worker" else 0)
        _ = addresses[number]
        return addresses, number
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            "Several machines train together as TF_CONFIG says, which is JSON such as "
            '{"cluster": {"worker": ["host1:12345", "host2:12345"]}, "task": {"type": "worker", "index": 0}}. '
            f"Received: TF_CONFIG={shorten(text, 200)} ({type(error).__name__}: {error})"
        ) from None


# One of each in a process, however often it trains: TensorFlow numbers the messages of every strategy from the same
# number on, so that a second one meets the first one's (tensorflow issue 62790). Nor is a cluster joined twice.
@cache
def _mirror(devices: tuple[str, ...]) -> Strategy:
    import tensorflow as tf

    return TensorFlowStrategy("mirrored", mended(tf.distribute.MirroredStrategy)(devices))


@cache
def _join_workers(addresses: tuple[str, ...], number: int) -> Strategy:
    import tensorflow as tf

    try:
        strategy = mended(tf.distribute.MultiWorkerMirroredStrategy)()
    except RuntimeError as error:
        raise _joined_too_late(error) from None
    return TensorFlowStrategy("multiworker", strategy, number, len(addresses))


@cache
def _join_jax_workers(addresses: tuple[str, ...], number: int) -> Strategy:
    import jax

    # Else JAX aborts this process, with no exit status of ours, as soon as it hears that another one has ended. Where
    # that is the first one, by which all others hear of each other, it does so all the same.
    jax.config.update("jax_enable_recoverability", True)
    with _without_output():
        try:
            keras.distribution.initialize(addresses[0], len(addresses), number)
        except RuntimeError as error:
            raise _joined_too_late(error) from None
        strategy = JaxStrategy("multiworker", number, len(addresses))
        # The first time that workers exchange something, which says so.
        strategy.share(b"")
    if strategy.chief:
        # Whoever takes its leave of a first worker that is gone is aborted too.
        atexit.register(time.sleep, LEAVE)
    return strategy


def _joined_too_late(error: RuntimeError) -> ValueError:
    return ValueError(
        "Workers connect before anything is computed; find the strategy at the start of the process. "
        f"Received: {shorten(str(error), 200)}"
    )


@contextlib.contextmanager
def _without_output() -> Iterator[None]:
    """Drop what libraries print past Python on the standard output, which belongs to a command's report."""
    kept = os.dup(1)
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _dataset_of_arrays(x: np.ndarray, y: np.ndarray, batch_size: int) -> Any:
    import tensorflow as tf

    parts = tuple(array.reshape(-1, batch_size, *array.shape[1:]) for array in (x, y))
    return _untuned(tf.data.Dataset.from_tensor_slices(parts).prefetch(2))


def _dataset_of_stream(batches: Any) -> Any:
    import tensorflow as tf

    kinds = keras.tree.map_structure(
        lambda array: tf.TensorSpec((None, *array.shape[1:]), array.dtype), next(iter(batches))
    )
    return _untuned(tf.data.Dataset.from_generator(lambda: batches, output_signature=kinds))


def _untuned(dataset: Any) -> Any:
    """A dataset without the autotuning that Keras leaves on.

    Its thread sleeps, each time twice as long as before and in the end a minute, and often misses that the epoch has
    ended, which then waits until it wakes: an epoch of a minute for half of one.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


@cache
def mended(base: type) -> type:
    """A strategy of TensorFlow's as Keras' `fit` calls it (keras issue 20585).

    To build a model Keras averages a whole tuple of inputs over replicas, where several workers take one tensor at a
    time and indices become fractions; any replica's inputs do as well. And of the scalars that a step of several
    workers logs it reduces the first axis, which they have not.
    """

    class Mended(base):  # type: ignore[misc]
        def reduce(self, reduce_op: Any, value: Any, axis: int | None = None) -> Any:
            if isinstance(value, tuple):
                return keras.tree.map_structure(lambda part: self.experimental_local_results(part)[0], value)
            scalar = all(len(part.shape) == 0 for part in self.experimental_local_results(value))
            return super().reduce(reduce_op, value, None if scalar else axis)

    return Mended


class WholeBatchClipping:
    """Has a Keras optimizer clip the values of the whole batch's gradients; stands before it among base classes.

    Keras clips those of each replica's part before it adds them up, so that what a network learns would depend on the
    number of replicas (tensorflow issue 33929).
    """

    clipvalue: float | None

    def _clip_gradients(self, gradients: Any) -> Any:
        # Of the other ways to clip, Keras' stays.
        return super()._clip_gradients(gradients) if self.clipvalue is None else gradients  # type: ignore[misc]

    def clip(self, gradient: Any) -> Any:
        """Clip what all replicas together have found of a weight; for `update_step`."""
        return gradient if self.clipvalue is None else keras.ops.clip(gradient, -self.clipvalue, self.clipvalue)


def agree(strategy: Strategy, facts: Mapping[str, Any]) -> None:
    """Refuse workers that differ, all of them in the same sentence; all must call this together.

    Args:
        strategy: a `Strategy`.
        facts: what has to be equal, by its name.

    Raises:
        ValueError: which worker differs from the chief, and in what.
    """
    if strategy.workers == 1:
        return
    facts = _dotted(json.loads(json.dumps(facts, default=str)))
    wanted = json.loads(strategy.share(json.dumps(facts).encode()))
    different = [name for name in wanted | facts if wanted.get(name) != facts.get(name)]
    found = "; ".join(
        f"{name}={shorten(facts.get(name), 100)}, and the chief's is {shorten(wanted.get(name), 100)}"
        for name in different[:3]
    )
    for worker in range(strategy.workers):
        if problem := strategy.share(found.encode(), worker).decode():
            raise ValueError(
                f"Workers train together only where they are alike. Received: on worker {worker}, {problem}"
            )


def _dotted(facts: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, fact in facts.items():
        found |= _dotted(fact, f"{prefix}{name}.") if isinstance(fact, Mapping) else {f"{prefix}{name}": fact}
    return found
