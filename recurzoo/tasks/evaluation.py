"""Running a network on many images."""

from __future__ import annotations

import math

import keras
import numpy as np

from recurzoo.data.sets import Images, StoredImages


def predict(model: keras.Model, images: Images, batch_size: int = 256) -> np.ndarray:
    """Outputs for images, all batches of one size so that nothing is compiled twice.

    Args:
        model: a Keras model.
        images: array `(images, height, width, channels)`, or `StoredImages`.
        batch_size: int.

    Returns:
        A float32 array.
    """
    if isinstance(images, StoredImages):
        return np.concatenate([predict(model, part, batch_size) for part in images.batches(batch_size)])
    count = len(images)
    batch_size = min(batch_size, count)
    padded = np.concatenate([images, np.zeros((-count % batch_size, *images.shape[1:]), images.dtype)])
    # Keras' `predict` may wait at its end, as `fit` does: see `recurzoo.training.strategy`.
    outputs = [model.predict_on_batch(padded[i : i + batch_size]) for i in range(0, len(padded), batch_size)]
    return np.concatenate(outputs)[:count].astype("float32")


def finite(value: float) -> float | None:
    """A figure as a record, which is JSON, can hold it: None if it is not finite."""
    return value if math.isfinite(value) else None
