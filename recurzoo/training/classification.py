"""Image classification, as a run sees it; and what a run asks of a task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import keras
import numpy as np

from recurzoo.registry.catalog import dataset_facts
from recurzoo.training.datasets import ImageData, Split, load_data
from recurzoo.training.evaluation import evaluate_classifier, test_metrics
from recurzoo.training.recipe import Recipe


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


class Classification:
    """Images of a data set, one class each; implements `Task`.

    Args:
        recipe: a `Recipe`.
        data: words that `load_data` takes.

    Raises:
        ValueError: if the data does not fit the recipe.
    """

    metrics: Sequence[str] = ("accuracy",)

    def __init__(self, recipe: Recipe, data: str):
        if recipe.curriculum is not None:
            raise ValueError(
                f"A curriculum is for generated examples; leave the table [curriculum] out. Received: data={data!r}"
            )
        self.images = load_data(data, (recipe.image_size, recipe.image_size))
        self.source, self.note = self.images.source, self.images.note
        self.class_names = self.images.class_names
        self.fingerprint = self.images.train.fingerprint
        self.model_arguments: dict[str, Any] = {
            "num_classes": len(self.class_names),
            "input_shape": self.images.test.images.shape[1:],
            **channel_statistics(recipe, self.images),
        }
        self.loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=recipe.label_smoothing)

    def examples(self, epoch: int) -> Split:
        return self.images.train

    def targets(self, examples: Split) -> np.ndarray:
        return np.asarray(keras.ops.convert_to_numpy(keras.ops.one_hot(examples.labels, len(self.class_names))))

    def columns(self, model: keras.Model, epoch: int) -> dict[str, float]:
        measured = evaluate_classifier(model, self.images.test)
        return {"test_loss": measured["loss"], "test_accuracy": measured["accuracy"]}

    def record_metrics(self, model: keras.Model) -> dict[str, Any]:
        return test_metrics(model, self.images.test)

    def summary(self, metrics: dict[str, Any]) -> str:
        return f"{metrics['test_accuracy']:.2%} of the test images"


def channel_statistics(recipe: Recipe, images: ImageData) -> dict[str, tuple[float, ...]]:
    """Mean and standard deviation of pixels in 0..1: the published ones of a known data set, else the images' own."""
    facts = dataset_facts(recipe.dataset)
    if facts is not None and facts.mean:
        return {"mean": facts.mean, "std": facts.std}
    pixels = images.train.images.reshape(-1, images.train.images.shape[-1]) / 255
    return {"mean": tuple(pixels.mean(axis=0).tolist()), "std": tuple(pixels.std(axis=0).tolist())}
