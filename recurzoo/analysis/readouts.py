"""Heads for the steps that were never read out in training: one linear head a step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from recurzoo.analysis.subject import batches
from recurzoo.base.optional import import_optional
from recurzoo.rewriting.outputs import with_outputs
from recurzoo.rewriting.steps import State, Steps, readout_of, state_names

# Passes of the solver, which ends sooner where it has found the minimum.
PASSES = 200


@dataclass(frozen=True, eq=False)
class LinearHead:
    """Logits from a state's mean over its pixels.

    Attributes:
        kernel: array `(channels, classes)`.
        bias: array `(classes,)`.
    """

    kernel: np.ndarray
    bias: np.ndarray

    def read_out(self, state: State) -> Any:
        """The logits of a state, a tensor `(images, classes)`."""
        mean = ops.mean(readout_of(state), axis=(1, 2))
        kernel, bias = (ops.convert_to_tensor(array, mean.dtype) for array in (self.kernel, self.bias))
        return ops.matmul(mean, kernel) + bias


# By the name of the state that each one reads.
Readouts = dict[str, LinearHead]


def fit_readouts(model: keras.Model, images: np.ndarray, labels: np.ndarray, regularization: float = 1.0) -> Readouts:
    """Fit a linear head after every step of every stage but the last, whose head the network has.

    Each is a logistic regression on the mean of the state over its pixels; the network stays as it is.

    Args:
        model: a Keras model whose layers stand in a row.
        images: array `(images, height, width, channels)`, pixels in 0..255, from the training set.
        labels: int array `(images,)`.
        regularization: float, the inverse of scikit-learn's `C`.

    Returns:
        A dictionary of `LinearHead`s by the names of the states, for `recurzoo.anytime(model, readouts=...)`.

    Raises:
        ImportError: if scikit-learn is not installed.
        ValueError: if a class has no image, or the network's answers are not one class an image.

    Example:
        >>> readouts = recurzoo.fit_readouts(model, train_images, train_labels)
        >>> recurzoo.anytime(model, threshold=0.9, readouts=readouts)(images).operations
    """
    solvers = import_optional("sklearn.linear_model", "recurzoo[plots]")
    network, labels = Steps(model), np.asarray(labels).reshape(-1)
    classes = model.output_shape[-1]
    if len(model.output_shape) != 2 or len(labels) != len(images) or set(labels.tolist()) != set(range(classes)):
        raise ValueError(
            "Heads are fitted on images of every class that the network knows, with a label each. "
            f"Received: {len(images)} images, {len(labels)} labels of {len(set(labels.tolist()))} of {classes} classes"
        )
    fitted = {}
    for name, features in _pooled(network, np.asarray(images)).items():
        mean, std = features.mean(axis=0), features.std(axis=0)
        # A channel that never changes says nothing.
        scale = np.where(std > 0, 1 / np.where(std > 0, std, 1), 0)
        solver = solvers.LogisticRegression(C=1 / regularization, max_iter=PASSES).fit(
            (features - mean) * scale, labels
        )
        kernel, bias = _of_all_classes(solver.coef_, solver.intercept_)
        kernel = kernel * scale[:, None]
        fitted[name] = LinearHead(kernel.astype("float32"), (bias - mean @ kernel).astype("float32"))
    return fitted


def _of_all_classes(coefficients: np.ndarray, intercept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias with a column a class, also of two classes, of which scikit-learn has one."""
    if len(coefficients) == 1:
        coefficients, intercept = (np.concatenate([np.zeros_like(part), part]) for part in (coefficients, intercept))
    return coefficients.T, intercept


def _pooled(network: Steps, images: np.ndarray) -> dict[str, np.ndarray]:
    """The mean over its pixels of each state but the last, by its name."""
    found: dict[str, list[np.ndarray]] = {}
    for _, state in batches(images, "looking at training images"):
        for piece in network.body[:-1]:
            state = network.run(piece, state)
            if piece.step is not None:
                pooled = ops.mean(readout_of(state), axis=(1, 2))
                found.setdefault(state_names(piece)[-1], []).append(ops.convert_to_numpy(pooled))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def with_readouts(model: keras.Model, readouts: Readouts | None = None) -> keras.Model:
    """An ordinary Keras model that gives the logits after every step that can be read out.

    Args:
        model: a functional Keras model with a head, whose layers stand in a row.
        readouts: heads that were fitted; where there is none, the network's own is used, if it fits.

    Returns:
        A functional Keras model from images to a dictionary of logits by the names of the states, which shares the
        layers of `model`; the last are those of `model`. `recurzoo.export` writes it with one output a step.

    Example:
        >>> recurzoo.export(recurzoo.with_readouts(model), "steps.onnx")
    """
    network, readouts = Steps(model), readouts or {}
    own = {state_names(piece)[-1] for piece in network.steps if network.is_readable(piece)}
    last = state_names(network.steps[-1])[-1]
    inside = with_outputs(model, [*(name for name in readouts if name != last), *own])
    outputs = {}
    for name, state in inside.output.items():
        x = state
        if name in readouts and name != last:
            head = readouts[name]
            dense = keras.layers.Dense(len(head.bias), dtype="float32", name=f"readout_{name.replace('/', '_')}")
            x = dense(keras.layers.GlobalAveragePooling2D(data_format="channels_last")(x))
            dense.set_weights([head.kernel, head.bias])
        else:
            for piece in network.head:
                x = piece.layer(x)
        outputs[name] = x
    return keras.Model(inside.input, outputs, name=model.name)
