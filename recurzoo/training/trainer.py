"""The model that is trained: a network with its images before it and its average beside it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from recurzoo.training.augmentation import AugmentedImages
from recurzoo.training.optimizers import make_optimizer
from recurzoo.training.recipe import Recipe
from recurzoo.training.weight_average import WeightAverage


class Trainer(keras.Model):
    """Takes numbers of images instead of images, so that a step is compiled from uint8 pixels to updated weights.

    Args:
        network: the classifier.
        images: `AugmentedImages`.
        average: a `WeightAverage` of the network, or None.
    """

    def __init__(self, network: keras.Model, images: AugmentedImages, average: WeightAverage | None):
        # Outside the network everything is exact, also under mixed precision.
        super().__init__(dtype="float32")
        self.network = network
        self.images = images
        self.average = average

    def call(self, indices: Any, training: bool | None = None) -> Any:
        if training and self.average is not None:
            self.average.update()
        return self.network(self.images(indices, training=training), training=training)

    @property
    def state(self) -> list[Any]:
        """All variables that a run changes, in a fixed order."""
        average = self.average.variables if self.average is not None else []
        return [*self.network.variables, *self.images.seed_generator_variables, *average, *self.optimizer.variables]


def make_trainer(recipe: Recipe, network: keras.Model, images: np.ndarray, fill: Any) -> Trainer:
    """Build and compile the trainer of a recipe.

    Args:
        recipe: a `Recipe`.
        network: the classifier to train.
        images: uint8 array `(images, height, width, channels)`.
        fill: what cutout paints with, one number in 0..255 a channel.

    Returns:
        A compiled `Trainer`.
    """
    batches = len(images) // recipe.batch_size
    average = WeightAverage(network) if recipe.average.last else None
    trainer = Trainer(network, AugmentedImages(images, recipe.augmentation, fill, recipe.seed), average)
    trainer.compile(
        make_optimizer(recipe, batches),
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=recipe.label_smoothing),
        metrics=["accuracy"],
        # On a CPU TensorFlow runs faster without XLA.
        jit_compile=keras.backend.backend() == "jax",
        steps_per_execution=recipe.steps_per_execution,
    )
    trainer.build((recipe.batch_size,))
    trainer.optimizer.build(trainer.trainable_variables)
    return trainer


def train_epoch(
    trainer: Trainer, recipe: Recipe, labels: np.ndarray, classes: int, epoch: int, callbacks: Any = ()
) -> Any:
    """Train for one epoch; the order of the images depends on seed and epoch only.

    Args:
        trainer: a `Trainer`.
        recipe: a `Recipe`.
        labels: int array, one a training image.
        classes: int.
        epoch: int, from 0.
        callbacks: Keras callbacks.

    Returns:
        A dictionary: mean `loss` and `accuracy` over the augmented images.
    """
    order = np.random.default_rng([recipe.seed, epoch]).permutation(len(labels)).astype("int32")
    # A last, smaller batch would be compiled anew; what it leaves out differs from epoch to epoch.
    order = order[: len(labels) // recipe.batch_size * recipe.batch_size]
    if trainer.average is not None:
        averaging = epoch >= round(recipe.epochs * (1 - recipe.average.last))
        trainer.average.decay.assign(recipe.average.decay if averaging else 0.0)
    history = trainer.fit(
        order,
        keras.ops.convert_to_numpy(keras.ops.one_hot(labels[order], classes)),
        batch_size=recipe.batch_size,
        shuffle=False,
        verbose=0,
        callbacks=list(callbacks),
    ).history
    return {"loss": history["loss"][0], "accuracy": history["accuracy"][0]}
