"""What a network thinks on the way: its states, and what its own head reads there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from keras import ops

from recurzoo.analysis.subject import BATCH
from recurzoo.rewriting.steps import Steps, readout_of, state_names, states_after

if TYPE_CHECKING:
    from recurzoo.models import ZooModel


@dataclass(frozen=True)
class Moment:
    """A network at one point of its way.

    Attributes:
        features: array `(images, height, width, channels)`, the state.
        logits: what the network's own head gives for it; None where the head does not fit.
        confidence: array `(images,)`, the probability of the likeliest class.
        entropy: array `(images,)`, of the probabilities of all classes, in nats.
    """

    features: np.ndarray
    logits: np.ndarray | None = None
    confidence: np.ndarray | None = None
    entropy: np.ndarray | None = None


def trajectory(model: ZooModel | str | Path, images: np.ndarray, batch_size: int = BATCH) -> dict[str, Moment]:
    """The state of a network after every step of every stage, and what its own head reads there.

    The head reads a state of as many channels as the last stage's, through all that follows that stage; of a graph of
    states it reads the last one.

    Args:
        model: what `recurzoo.load` takes, or a Keras model whose layers stand in a row.
        images: array `(images, height, width, channels)`, pixels in 0..255.
        batch_size: int, images run at once.

    Returns:
        A `Moment` for each `STAGE/STEP` or `GRAPH/STATE/UPDATE`, in order, by the names of `recurzoo.output_names`.

    Raises:
        ValueError: if the model has no steps, or its layers do not stand in a row.

    Example:
        >>> states = recurzoo.trajectory("rc-4-w16", images)
        >>> [moment.confidence.mean() for moment in states.values() if moment.logits is not None]
    """
    if isinstance(model, (str, Path)):
        from recurzoo.zoo.loading import load

        model = load(model)
    network, images = Steps(model), np.asarray(images, "float32")
    features: dict[str, list[np.ndarray]] = {}
    logits: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(images), batch_size):
        state = ops.convert_to_tensor(images[start : start + batch_size])
        for piece in network.body:
            state = network.run(piece, state)
            if piece.step is None:
                continue
            for name, tensor in states_after(piece, state).items():
                features.setdefault(name, []).append(ops.convert_to_numpy(tensor))
            if network.is_readable(piece):
                outputs = network.read_out(readout_of(state))
                logits.setdefault(state_names(piece)[-1], []).append(ops.convert_to_numpy(outputs))
    return {name: _moment(np.concatenate(parts), logits.get(name)) for name, parts in features.items()}


def _moment(features: np.ndarray, parts: list[np.ndarray] | None) -> Moment:
    if parts is None:
        return Moment(features)
    logits = np.concatenate(parts)
    return Moment(features, logits, confidence(logits), entropy(logits))


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Probabilities `(..., classes)` from logits; a single logit is one of two classes'."""
    logits = np.asarray(logits, "float64")
    if logits.shape[-1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=-1)
    unnormalized = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return unnormalized / unnormalized.sum(axis=-1, keepdims=True)


def confidence(logits: np.ndarray) -> np.ndarray:
    """The probability of the likeliest class of each image, `(images,)`; of answers by pixel, their mean."""
    return _by_image(probabilities(logits).max(axis=-1))


def entropy(logits: np.ndarray) -> np.ndarray:
    """The entropy of the probabilities of each image in nats, `(images,)`; of answers by pixel, their mean."""
    p = probabilities(logits)
    return _by_image(-np.sum(p * np.log(np.maximum(p, 1e-300)), axis=-1))


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The loss of each image in nats, `(images,)`; of answers by pixel, their mean."""
    p = np.take_along_axis(probabilities(logits), np.asarray(labels, "int64")[..., None], axis=-1)[..., 0]
    return _by_image(-np.log(np.maximum(p, 1e-300)))


def predicted(logits: np.ndarray) -> np.ndarray:
    """The likeliest classes, `(images,)` or `(images, height, width)`."""
    return probabilities(logits).argmax(axis=-1)


def _by_image(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), -1).mean(axis=1)
