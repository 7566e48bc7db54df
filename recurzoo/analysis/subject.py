"""What is analyzed: a network, and the examples it is looked at with."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from recurzoo.base.progress import track
from recurzoo.checkpoints.folder import COEFFICIENTS, SAFETENSORS
from recurzoo.checkpoints.record import Record
from recurzoo.data.sets import ImageData, Images, Split
from recurzoo.layers import Stage
from recurzoo.layers.shared import SharedLayer
from recurzoo.layers.state_graph import stages_of
from recurzoo.tasks.task import Task, open_task

if TYPE_CHECKING:
    from recurzoo.models import ZooModel

BATCH = 250


class Subject:
    """A network under analysis.

    Args:
        model: what `recurzoo.load` takes, or a Keras model of stages.
        data: words for a data set, as `recurzoo.evaluate` takes them; or a pair of images, pixels in 0..255, and int
            labels, which are then trained and tested on alike; None where none is needed.
        limit: int, how many test examples at most; None for all.

    Attributes:
        model: the network.
        record: its checkpoint's; of a bare network, one that names it.
        folder: its checkpoint's; None of a bare network.
    """

    def __init__(self, model: ZooModel | str | Path, data: Any = None, limit: int | None = None):
        self.folder: Path | None = None
        if isinstance(model, (str, Path)):
            from recurzoo.zoo.evaluating import model_and_record
            from recurzoo.zoo.finding import find_folder

            self.folder = find_folder(model)
            self.model, self.record = model_and_record(self.folder)
        else:
            self.model, self.record = model, Record(name=model.name, architecture=type(model).__name__)
        self.data = data
        self.limit = limit

    @property
    def stages(self) -> list[Stage | SharedLayer]:
        """What has banks, in order; see `stages_of`."""
        return stages_of(self.model)

    @cached_property
    def task(self) -> Task:
        """What the network is measured by, with test examples alone."""
        return self._open(train=False)

    @cached_property
    def training(self) -> Task:
        """The same with training examples too, which take long to read."""
        return self._open(train=True)

    def _open(self, train: bool) -> Task:
        if self.data is None:
            raise ValueError(f"This analysis looks at examples; give it data. Received: none, for {self.record.name!r}")
        if isinstance(self.data, str):
            return open_task(self.data, self.model, self.record, train, self.limit)
        from recurzoo.tasks.classification import Classification

        images, labels = np.asarray(self.data[0]), np.asarray(self.data[1]).reshape(-1)
        if images.ndim != 4 or not len(images) or len(images) != len(labels):
            raise ValueError(
                "Data in memory are images (images, height, width, channels) with a label each. "
                f"Received: images of shape {images.shape}, {len(labels)} labels"
            )
        classes = tuple(map(str, range(self.model.output_shape[-1])))
        split, test = Split(images, labels), Split(images[: self.limit], labels[: self.limit])
        channels = images.shape[-1]
        return Classification(ImageData("arrays", classes, split, test), (0.0,) * channels, (1.0,) * channels)

    def run_arrays(self) -> dict[str, np.ndarray]:
        """How kernels were shared at the start of the checkpoint's run and after each epoch, where that was kept: see
        `recurzoo.training.relaxation.sharing_arrays`.
        """
        path = None if self.folder is None else self.folder / COEFFICIENTS
        if path is None or not path.is_file():
            return {}
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            return load_file(path)
        except SafetensorError as error:
            raise ValueError(f"The run's coefficients cannot be read. Received: {str(path)!r}: {error}") from None

    def facts(self, kind: str, examples: Split | None = None) -> dict[str, Any]:
        """What every `Analysis` begins with."""
        facts = {"kind": kind, "model": self.record.name, "weights": digest_of_weights(self.record)}
        if examples is None:
            return facts
        return {**facts, "data": self.task.source, "examples": len(examples), "fingerprint": examples.fingerprint}


def digest_of_weights(record: Record) -> str | None:
    """The SHA-256 of a checkpoint's file of weights; None of a bare network."""
    stored = record.files.get(SAFETENSORS)
    return None if stored is None else stored.sha256


def batches(images: Images, what: str, size: int = BATCH) -> Iterator[tuple[slice, Any]]:
    """Images batch by batch under a progress bar: their places, and a float32 tensor of them."""
    for start in track(range(0, len(images), size), what):
        places = slice(start, min(start + size, len(images)))
        yield places, ops.convert_to_tensor(images[places].astype("float32"))


def to_numpy(tensor: Any) -> np.ndarray:
    """A tensor as a float64 array."""
    return np.asarray(keras.ops.convert_to_numpy(tensor), "float64")
