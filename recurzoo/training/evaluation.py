"""How good a classifier is, on images as they are."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from recurzoo.registry.scores import FINGERPRINT
from recurzoo.training.datasets import Split


def evaluate_classifier(model: keras.Model, split: Split, batch_size: int = 256) -> dict[str, Any]:
    """Measure a classifier: one view of each image, no augmentation.

    Args:
        model: gives logits `(batch, classes)` for pixels in 0..255.
        split: images and labels.
        batch_size: int.

    Returns:
        A dictionary: `accuracy` (fraction), `loss` (cross-entropy, nats), `images` (how many).
    """
    logits = predict(model, split.images, batch_size).astype("float64")
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    right = logits.argmax(axis=1) == split.labels
    return {
        "accuracy": float(right.mean()),
        "loss": float(-log_probabilities[np.arange(len(split)), split.labels].mean()),
        "images": len(split),
    }


def check_classifier(model: keras.Model, name: str) -> None:
    """Refuse a model that does not take colour images and give a logit a class.

    Args:
        model: a Keras model.
        name: what the user calls it.

    Raises:
        ValueError: if it is another kind of model.
    """
    if len(model.output_shape) != 2 or model.input_shape[-1] != 3:
        raise ValueError(
            "This is for networks that classify colour images. "
            f"Received: {name!r}, from {model.input_shape[1:]} to {model.output_shape[1:]}"
        )


def test_metrics(model: keras.Model, test: Split) -> dict[str, Any]:
    """What a record holds of a checkpoint's measured quality.

    Args:
        model: the checkpoint's model, as loaded.
        test: the test images.

    Returns:
        A dictionary: `test_accuracy`, `test_loss`, `test_images`, `test_fingerprint`.
    """
    measured = evaluate_classifier(model, test)
    return {f"test_{key}": value for key, value in measured.items()} | {FINGERPRINT: test.fingerprint}


def predict(model: keras.Model, images: np.ndarray, batch_size: int = 256) -> np.ndarray:
    """Outputs for images, all batches of one size so that nothing is compiled twice.

    Args:
        model: a Keras model.
        images: array `(images, height, width, channels)`.
        batch_size: int.

    Returns:
        A float32 array.
    """
    count = len(images)
    batch_size = min(batch_size, count)
    padded = np.concatenate([images, np.zeros((-count % batch_size, *images.shape[1:]), images.dtype)])
    return np.asarray(model.predict(padded, batch_size=batch_size, verbose=0)[:count], "float32")
