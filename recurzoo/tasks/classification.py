"""Image classification, as a run sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from recurzoo.catalog.catalog import dataset_facts
from recurzoo.catalog.recipe import Recipe
from recurzoo.data.sets import ImageData, Split, load_data
from recurzoo.tasks.evaluation import evaluate_classifier, test_metrics


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
