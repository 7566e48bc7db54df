"""The model that is trained: a network with its images before it and its average beside it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np

from recurzoo.catalog.recipe import Recipe
from recurzoo.data.augmentation import AugmentedImages
from recurzoo.data.sets import Images, StoredImages
from recurzoo.data.stream import StreamedImages
from recurzoo.layers import Stage
from recurzoo.layers.rematerialization import check_rematerializable
from recurzoo.layers.tree import all_layers
from recurzoo.training.optimizers import make_optimizer
from recurzoo.training.strategy import Strategy
from recurzoo.training.weight_average import WeightAverage


class Trainer(keras.Model):
    """Takes what its images' layer takes instead of images, so that a step is compiled from pixels to updated weights.

    Args:
        network: the classifier.
        images: `AugmentedImages`, or `StreamedImages`.
        average: a `WeightAverage` of the network, or None.
        strategy: a `Strategy`, in whose scope this is made.
    """

    def __init__(
        self,
        network: keras.Model,
        images: AugmentedImages | StreamedImages,
        average: WeightAverage | None,
        strategy: Strategy,
    ):
        # Outside the network everything is exact, also under mixed precision.
        super().__init__(dtype="float32")
        self.network = network
        self.images = images
        self.average = average
        self.strategy = strategy

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if training and self.average is not None:
            self.average.update()
        return self.network(self.images(inputs), training=training)

    @property
    def state(self) -> list[Any]:
        """All variables that a run changes, in a fixed order."""
        average = self.average.variables if self.average is not None else []
        return [*self.network.variables, *average, *self.optimizer.variables]

    def show_images_of(self, size: int) -> None:
        """Train with images of this height and width from now on."""
        if size != self.images.shown[0]:
            self.images.size = size
            # The compiled step is for the size before.
            self.train_function = None


def make_trainer(
    recipe: Recipe,
    network: keras.Model,
    images: Images,
    fill: Any,
    loss: keras.losses.Loss,
    metrics: Callable[[], list[keras.metrics.Metric]] = list,
    strategy: Strategy | None = None,
) -> Trainer:
    """Build and compile the trainer of a recipe.

    Args:
        recipe: a `Recipe`.
        network: the classifier to train.
        images: uint8 array `(images, height, width, channels)`, or `StoredImages`, which are streamed.
        fill: what cutout paints with, one number in 0..255 a channel.
        loss: a Keras loss of targets and outputs.
        metrics: makes what else is measured while training, in the strategy's scope; by default nothing.
        strategy: a `Strategy`, in whose scope the network was made; by default one device.

    Returns:
        A compiled `Trainer`.

    Raises:
        ValueError: if the recipe cannot be trained by the strategy, or its steps not computed twice.
    """
    strategy = strategy or Strategy()
    strategy.check(recipe)
    for layer in all_layers(network):
        if isinstance(layer, Stage):
            if recipe.remat:
                check_rematerializable(layer)
            layer.remat = recipe.remat
    settings = (recipe.augmentation, fill, recipe.progressive)
    with strategy.scope_of_data():
        augmented = (
            StreamedImages(images, *settings)
            if isinstance(images, StoredImages)
            else AugmentedImages(images, *settings)
        )
    with strategy.scope():
        average = WeightAverage(network, recipe.accumulate) if recipe.average.last else None
        trainer = Trainer(network, augmented, average, strategy)
        trainer.compile(
            make_optimizer(recipe, batches_an_epoch(recipe, len(images))),
            loss,
            # Made before the step, as the optimizer's state is below. A metric given by its name Keras makes within the
            # step, which TensorFlow then traces twice.
            metrics=metrics(),
            # On a CPU TensorFlow runs faster without XLA.
            jit_compile=keras.backend.backend() == "jax",
            steps_per_execution=recipe.steps_per_execution if strategy.several_steps else 1,
        )
        trainer.build(augmented.inputs(recipe.batch_size))
        trainer.optimizer.build(trainer.trainable_variables)
    return trainer


def train_epoch(
    trainer: Trainer,
    recipe: Recipe,
    labels: np.ndarray,
    epoch: int,
    callbacks: Any = (),
    targets: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> dict[str, float]:
    """Train for one epoch; which images, in what order and how augmented, depends on seed and epoch only.

    Args:
        trainer: a `Trainer`.
        recipe: a `Recipe`.
        labels: array `(images, ...)`.
        epoch: int, from 0.
        callbacks: Keras callbacks.
        targets: gives what the loss compares the outputs with, for an array of some labels; by default the labels.

    Returns:
        A dictionary: mean `loss`, and the trainer's metrics, over the augmented images.

    Raises:
        ValueError: if an image of a stream cannot be read.
    """
    order, whole = order_of(recipe, len(labels), epoch)
    if trainer.average is not None:
        averaging = epoch >= round(recipe.epochs * (1 - recipe.average.last))
        trainer.average.decay.assign(recipe.average.decay if averaging else 0.0)
    images = trainer.images
    trainer.show_images_of(recipe.progressive.size_at(epoch, recipe.epochs, images.image_shape[0]))
    drawn, batch_size = images.draw(order, whole, recipe.seed), recipe.batch_size // recipe.accumulate
    with trainer.strategy.scope():
        try:
            if isinstance(images, StreamedImages):
                stream = partial(
                    images.stream, targets=lambda places: targets(labels[places]), epoch=whole, seed=recipe.seed
                )
                fed = {"x": trainer.strategy.feed(stream, drawn, batch_size)}
            else:
                fed = trainer.strategy.batches(drawn, targets(labels[order]), batch_size)
            history = trainer.fit(
                **fed,
                # Else Keras finds the end by a step that has no batch, and on TensorFlow moves the optimizer's count.
                steps_per_epoch=len(order) // batch_size,
                # So that callbacks are told the epoch of the run.
                initial_epoch=epoch,
                epochs=epoch + 1,
                shuffle=False,
                verbose=0,
                callbacks=list(callbacks),
            ).history
        except Exception:
            if images.error is None:
                raise
            raise images.error from None
    return {name: values[0] for name, values in history.items()}


def _parts(recipe: Recipe, count: int) -> int:
    """How many epochs pass over all of so many images."""
    return 1 if recipe.epoch_examples is None else max(1, count // recipe.epoch_examples)


def batches_an_epoch(recipe: Recipe, count: int) -> int:
    """How many whole batches an epoch has, of so many training images; all epochs have the same number."""
    return count // _parts(recipe, count) // recipe.batch_size


def order_of(recipe: Recipe, count: int, epoch: int) -> tuple[np.ndarray, int]:
    """Which images an epoch trains, in order.

    Args:
        recipe: a `Recipe`.
        count: int, how many training images there are.
        epoch: int, from 0.

    Returns:
        An int32 array of whole batches, and the pass over all images that it is a part of, from 0.
    """
    parts = _parts(recipe, count)
    whole, part = divmod(epoch, parts)
    order = np.array_split(np.random.default_rng([recipe.seed, whole]).permutation(count).astype("int32"), parts)[part]
    # A last, smaller batch would be compiled anew; what it leaves out differs from pass to pass.
    return order[: batches_an_epoch(recipe, count) * recipe.batch_size], whole
