"""Image classification."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from recurzoo.base.documents import shorten
from recurzoo.catalog.catalog import dataset_facts
from recurzoo.catalog.recipe import Recipe
from recurzoo.catalog.settings import Augmentation
from recurzoo.checkpoints.completing import check_class_names
from recurzoo.checkpoints.record import Metric, Record, Score
from recurzoo.data.augmentation import sample_as_trained
from recurzoo.data.sets import ImageData, Split, StoredImages, load_data, spread
from recurzoo.models import ZooModel
from recurzoo.tasks.evaluation import finite, predict

# Of a channel that is the same in all images, whose standard deviation is 0: half a step of a pixel.
SMALLEST_STD = 0.5 / 255
# How many of a data set's images its mean and standard deviation are measured on, where the memory does not hold all.
MOST_MEASURED = 10_000


class Classification:
    """Images of a data set, one class each; implements `Task`.

    Args:
        images: an `ImageData`, labels in the order of the network's outputs.
        mean: sequence of floats, of each channel, for pixels in 0..1.
        std: sequence of floats, its standard deviations.
        label_smoothing: float in 0..1.
    """

    metric: Metric = "accuracy"

    def __init__(self, images: ImageData, mean: Sequence[float], std: Sequence[float], label_smoothing: float = 0.0):
        self.images = images
        self.source = images.source
        self.class_names = images.class_names
        self.model_arguments: dict[str, Any] = {
            "num_classes": len(images.class_names),
            "input_shape": images.test.images.shape[1:],
            "mean": tuple(mean),
            "std": tuple(std),
        }
        self.loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=label_smoothing)

    @classmethod
    def of_recipe(cls, recipe: Recipe, data: str) -> Classification:
        """The task of a training run.

        Raises:
            ValueError: if the data are not there, or not what the recipe names.
        """
        if recipe.curriculum is not None:
            raise ValueError(
                f"A curriculum is for generated examples; leave the table [curriculum] out. Received: data={data!r}"
            )
        stored = recipe.augmentation.resized_crop is not None
        images = load_data(data, (recipe.image_size, recipe.image_size), stored=stored)
        facts = dataset_facts(recipe.dataset)
        if facts is not None and facts.class_names and set(facts.class_names) != set(images.class_names):
            raise ValueError(
                f"These are not the classes of {facts.title}, which the recipe is for. Received: {images.source} with "
                f"{shorten(images.class_names)}; say with --set dataset=NAME what the data are"
            )
        if facts is not None and facts.mean:
            return cls(images, facts.mean, facts.std, recipe.label_smoothing)
        train = images.train.images
        # Of streamed images, some.
        held = train[spread(images.train.labels, MOST_MEASURED)] if isinstance(train, StoredImages) else train
        pixels = held.reshape(-1, held.shape[-1]) / 255
        std = np.maximum(pixels.std(axis=0), SMALLEST_STD)
        return cls(images, pixels.mean(axis=0).tolist(), std.tolist(), recipe.label_smoothing)

    @classmethod
    def of_checkpoint(
        cls, data: str, model: ZooModel, record: Record, train: bool = False, limit: int | None = None
    ) -> Classification:
        """The task that a checkpoint is measured by; see `open_task`."""
        check_classifier(model, record)
        images = load_data(data, model.input_shape[1:3], train, limit).relabelled(record.class_names)
        if len(images.class_names) != model.output_shape[-1]:
            raise ValueError(
                f"The data's classes are not the checkpoint's, which does not name its {model.output_shape[-1]}. "
                f"Received: {images.source} with {len(images.class_names)} classes; load a new head with num_classes"
            )
        return cls(images, model.architecture["mean"], model.architecture["std"])

    @property
    def fingerprint(self) -> str:
        return self.images.train.fingerprint

    def examples(self, epoch: int) -> Split:
        return self.images.train

    def metrics(self) -> list[keras.metrics.Metric]:
        return [keras.metrics.CategoricalAccuracy(name="accuracy")]

    def targets(self, labels: np.ndarray) -> np.ndarray:
        # By NumPy, since streams ask for it in threads of their own.
        return (labels[:, None] == np.arange(len(self.class_names))).astype("float32")

    def columns(self, model: keras.Model, epoch: int, limit: int | None = None) -> dict[str, float]:
        test = self.images.test
        chosen = spread(test.labels, limit)
        part = test if len(chosen) == len(test) else Split(test.images[chosen], test.labels[chosen])
        return {f"test_{name}": value for name, value in self._measure(model, part).items()}

    def sample(self, recipe: Recipe | None, count: int = 10_000) -> np.ndarray:
        augmentation = Augmentation() if recipe is None else recipe.augmentation
        fill = [255 * mean for mean in self.model_arguments["mean"]]
        return sample_as_trained(self.images.train.images, augmentation, fill, count)

    def scores(self, model: keras.Model) -> tuple[Score, ...]:
        test = self.images.test
        return tuple(
            Score(metric=metric, value=finite(value), examples=len(test), fingerprint=test.fingerprint)
            for metric, value in self._measure(model, test).items()
        )

    @property
    def test(self) -> Split:
        return self.images.test

    def score(self, outputs: np.ndarray, labels: np.ndarray) -> float:
        return float((outputs.argmax(axis=-1) == labels).mean())

    def _measure(self, model: keras.Model, test: Split) -> dict[Metric, float]:
        """One view of each test image, not augmented: accuracy, loss in nats, and top-5 accuracy of many classes."""
        labels = test.labels
        logits = predict(model, test.images).astype("float64")
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        measured: dict[Metric, float] = {
            "accuracy": self.score(logits, labels),
            "loss": float(-log_probabilities[np.arange(len(labels)), labels].mean()),
        }
        if len(self.class_names) > 100:
            best = np.argpartition(-logits, 4, axis=1)[:, :5]
            measured["top_5_accuracy"] = float((best == labels[:, None]).any(axis=1).mean())
        return measured


def check_classifier(model: ZooModel, record: Record) -> None:
    """Refuse a checkpoint whose model does not take color images of one size and give a logit a class.

    Raises:
        ValueError: if it is another kind of model, or the record names other classes than it has outputs.
    """
    has_head = model.architecture.get("include_top", True)
    if not has_head or len(model.output_shape) != 2 or model.input_shape[-1] != 3:
        raise ValueError(
            "This is for networks that classify color images. "
            f"Received: {record.name!r}, from {model.input_shape[1:]} to {model.output_shape[1:]}"
            f"{'' if has_head else ' without a head'}"
        )
    if None in model.input_shape[1:]:
        raise ValueError(
            "The model has no fixed image size; load it in Python with an input_shape, and save that. "
            f"Received: {record.name!r} for images of {model.input_shape[1:]}"
        )
    check_class_names(record, model)
