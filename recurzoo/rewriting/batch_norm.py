"""Batch-normalization statistics measured anew, for a network whose kernels have changed under them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from recurzoo.layers import Stage, StateGraph, StepNormalization
from recurzoo.layers.tree import all_layers


def reestimate_batch_norm(model: keras.Model, images: Any, batch_size: int = 250) -> None:
    """Give every batch normalization, the steps' and Keras' own, the statistics of these images, in place.

    Images run through the network in a fixed random order, normalized batch by batch as in training, but with dropout
    and stochastic depth as in inference. Mean and (biased) variance of each step are those of all images together.
    Where steps share one pair of statistics, it becomes the average over these steps. Nothing else changes; if anything
    fails, nothing at all.

    Args:
        model: a Keras model, changed in place; frozen normalizations are measured too.
        images: array `(images, height, width, channels)`, pixels in 0..255, from the training set and augmented as in
            training: a network trained on crops with black borders has other statistics on images without.
        batch_size: int, images a batch at most. As in training, larger batches give deeper steps truer statistics.

    Raises:
        ValueError: if there are no images, the batch size is not positive, or the model has nothing to measure.

    Example:
        >>> folded = recurzoo.fold(model, threshold=0.8)
        >>> recurzoo.reestimate_batch_norm(folded, training_images)
    """
    images = np.asarray(images)
    if batch_size < 1 or len(images) < 1:
        raise ValueError(
            "Statistics are measured on at least one image, in batches of at least one. "
            f"Received: {len(images)} images, batch_size={batch_size}"
        )
    layers = all_layers(model)[1:]
    normalizations: list[Any] = [
        layer
        for layer in layers
        if (isinstance(layer, StepNormalization) and layer.moving_mean is not None)
        or isinstance(layer, keras.layers.BatchNormalization)
    ]
    if not normalizations:
        raise ValueError(
            f"Only batch normalizations have statistics to measure. Received: {model.name!r}, which has none"
        )
    measured = {id(layer): _Statistics() for layer in normalizations}
    with _observing(layers, measured):
        # Shuffled, since a folder's images come class by class, and batches of one class would normalize it away; and
        # split evenly, since a small last batch would be an odd one.
        order = np.random.default_rng(0).permutation(len(images))
        for indices in np.array_split(order, math.ceil(len(images) / batch_size)):
            batch = images[indices]
            for statistics in measured.values():
                statistics.weight = len(batch)
            model(ops.convert_to_tensor(batch), training=False)
    tables = [(layer, *measured[id(layer)].tables(layer)) for layer in normalizations]
    if not all(np.isfinite(table).all() for _, *both in tables for table in both):
        raise ValueError(
            "Statistics are measured on images that give finite ones, so none were changed. Received: images with "
            f"{np.isnan(images).sum()} times NaN, for {model.name!r}"
        )
    for layer, mean, variance in tables:
        layer.moving_mean.assign(mean)
        layer.moving_variance.assign(variance)
    # Not as a plain attribute, which Keras would track.
    object.__setattr__(model, "statistics_reestimated", True)


class _Statistics:
    """Adds up one layer's statistics over batches, step by step."""

    def __init__(self) -> None:
        self.weight = 0
        self.sums: dict[int, np.ndarray] = {}

    def add(self, step: int, mean: Any, variance: Any) -> None:
        mean = ops.convert_to_numpy(mean).astype("float64")
        square = ops.convert_to_numpy(variance).astype("float64") + mean**2
        moments = self.weight * np.stack([np.ones_like(mean), mean, square])
        self.sums[step] = self.sums.get(step, 0) + moments

    def tables(self, layer: Any) -> tuple[np.ndarray, np.ndarray]:
        """What the layer's mean and variance become; rows of steps that did not run stay."""
        means, variances = ops.convert_to_numpy(layer.moving_mean), ops.convert_to_numpy(layer.moving_variance)
        means, variances = np.array(means), np.array(variances)
        if not isinstance(layer, StepNormalization):
            mean, square = self.sums[0][1:] / self.sums[0][0]
            return mean.astype(means.dtype), np.maximum(square - mean**2, 0).astype(variances.dtype)
        by_step = {step: moments[1:] / moments[0] for step, moments in self.sums.items()}
        for row in range(len(means)):
            # A step after the last has the last one's row.
            rows = layer.statistics_rows
            seen = [moments for step, moments in by_step.items() if rows[min(step, layer.steps - 1)] == row]
            if seen:
                means[row] = np.mean([mean for mean, _ in seen], axis=0)
                variances[row] = np.mean([np.maximum(square - mean**2, 0) for mean, square in seen], axis=0)
        return means, variances


@contextmanager
def _observing(layers: list[keras.Layer], measured: dict[int, _Statistics]) -> Iterator[None]:
    # Inside a real loop the step is a tensor, and statistics could not leave it.
    looped = [layer for layer in layers if isinstance(layer, (Stage, StateGraph)) and not layer.unroll]
    normalizations = [layer for layer in layers if id(layer) in measured]
    with ExitStack() as stack:
        for stage in looped:
            stage.unroll = True
            stack.callback(setattr, stage, "unroll", False)
        for layer in normalizations:
            if isinstance(layer, StepNormalization):
                layer.observer = measured[id(layer)].add
                stack.callback(setattr, layer, "observer", None)
            else:
                # Not as a plain attribute, which Keras would track.
                object.__setattr__(layer, "call", partial(_by_batch, layer, measured[id(layer)]))
                stack.callback(object.__delattr__, layer, "call")
        yield


def _by_batch(
    layer: keras.layers.BatchNormalization, statistics: _Statistics, inputs: Any, training: Any = None, mask: Any = None
) -> Any:
    """What Keras' own normalization does in training, whether or not it is frozen, and without keeping anything."""
    x = ops.cast(inputs, "float32")
    axis = layer.axis % len(x.shape)
    mean, variance = ops.moments(x, [i for i in range(len(x.shape)) if i != axis])
    statistics.add(0, mean, variance)
    y = ops.batch_normalization(x, mean, variance, axis, layer.beta, layer.gamma, layer.epsilon)
    return ops.cast(y, inputs.dtype)
