"""How good a classifier is, on images as they are; and whether a checkpoint is one, and of which images."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

from recurzoo.checkpoints.class_names import check_class_names
from recurzoo.checkpoints.record import Record
from recurzoo.checkpoints.scores import FINGERPRINT
from recurzoo.data.sets import ImageData, Split, load_data
from recurzoo.models import ZooModel


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


def check_classifier(model: ZooModel, record: Record) -> None:
    """Refuse a checkpoint whose model does not take colour images of one size and give a logit a class.

    Args:
        model: the checkpoint's.
        record: its `Record`.

    Raises:
        ValueError: if it is another kind of model, or the record names other classes than it has outputs.
    """
    has_head = model.architecture.get("include_top", True)
    if not has_head or len(model.output_shape) != 2 or model.input_shape[-1] != 3:
        raise ValueError(
            "This is for networks that classify colour images. "
            f"Received: {record.name!r}, from {model.input_shape[1:]} to {model.output_shape[1:]}"
            f"{'' if has_head else ' without a head'}"
        )
    if None in model.input_shape[1:]:
        raise ValueError(
            "The model has no fixed image size; load it in Python with an input_shape, and save that. "
            f"Received: {record.name!r} for images of {model.input_shape[1:]}"
        )
    check_class_names(record, model)


def load_images(data: str, model: ZooModel, record: Record, train: bool = True, limit: int | None = None) -> ImageData:
    """Read a data set as a checkpoint takes it: images of the model's size, labels in the order of its outputs.

    Args:
        data: words that `load_data` takes.
        model: the checkpoint's.
        record: its `Record`.
        train: as `load_data` has it.
        limit: as `load_data` has it.

    Returns:
        An `ImageData`.

    Raises:
        ValueError: if the model is no classifier of images, or the data set is not there or has other classes.
    """
    check_classifier(model, record)
    return as_labelled(load_data(data, model.input_shape[1:3], train, limit), model, record)


def as_labelled(images: ImageData, model: ZooModel, record: Record) -> ImageData:
    """Images with their labels in the order of a checkpoint's outputs; in their own, if it does not name its classes.

    Args:
        images: an `ImageData`.
        model: the checkpoint's.
        record: its `Record`.

    Raises:
        ValueError: if the classes are others, or of another number.
    """
    images = images.relabelled(record.class_names)
    if len(images.class_names) != model.output_shape[-1]:
        raise ValueError(
            f"The data's classes are not the checkpoint's, which does not name its {model.output_shape[-1]}. "
            f"Received: {images.source} with {len(images.class_names)} classes; load a new head with num_classes"
        )
    return images


def test_metrics(model: keras.Model, test: Split) -> dict[str, Any]:
    """What a record holds of a checkpoint's measured quality.

    Args:
        model: the checkpoint's model, as loaded.
        test: the test images.

    Returns:
        A dictionary, as `recordable` gives it: `test_accuracy`, `test_loss`, `test_images`, `test_fingerprint`.
    """
    measured = evaluate_classifier(model, test)
    return recordable({f"test_{key}": value for key, value in measured.items()}) | {FINGERPRINT: test.fingerprint}


def recordable(metrics: dict[str, Any]) -> dict[str, Any]:
    """Metrics as a record, which is JSON, can hold them: None in place of a number that is not finite."""
    return {name: value if is_finite(value) else None for name, value in metrics.items()}


def is_finite(value: Any) -> bool:
    """Whether a value is anything but NaN or an infinity."""
    return not isinstance(value, float) or math.isfinite(value)


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
