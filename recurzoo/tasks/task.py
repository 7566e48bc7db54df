"""What a run asks of a task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import keras
import numpy as np

from recurzoo.data.sets import Split


class Task(Protocol):
    """What is learned from which examples, and how it is measured.

    Attributes:
        source: what the examples are, in words that hold on any machine.
        note: what stands between them and the original ones, or None.
        class_names: of the model's outputs.
        fingerprint: a digest of all examples trained on.
        model_arguments: of the architecture.
        loss: a Keras loss.
        metrics: Keras' names of what else is measured while training.
    """

    source: str
    note: str | None
    class_names: tuple[str, ...]
    fingerprint: str
    model_arguments: dict[str, Any]
    loss: keras.losses.Loss
    metrics: Sequence[str]

    def examples(self, epoch: int) -> Split:
        """The examples of an epoch, of the same number in all; the same object where they are the same examples."""
        ...

    def targets(self, examples: Split) -> np.ndarray:
        """What the loss compares the model's outputs with."""
        ...

    def columns(self, model: keras.Model, epoch: int) -> dict[str, float]:
        """What the log shows of a model after an epoch."""
        ...

    def record_metrics(self, model: keras.Model) -> dict[str, Any]:
        """What a record holds of a stored model's measured quality."""
        ...

    def summary(self, metrics: dict[str, Any]) -> str:
        """A record's metrics in words."""
        ...
