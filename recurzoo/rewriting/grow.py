"""A wider network that computes what a narrower one does (Net2Net: Chen et al., 2016), for training to go on from."""

from __future__ import annotations

import numpy as np
from keras import ops

from recurzoo.models import ZooModel
from recurzoo.rewriting.outputs import check_outputs

# Weights whose last two axes are channels in and out.
KERNELS = ("kernel", "templates")


def widen(model: ZooModel, larger: ZooModel, seed: int = 0) -> ZooModel:
    """Give a wider network, maybe of more templates, the function of a narrower one, in place.

    Each channel is replicated, and what goes out of it is shared out among its replicas in unequal parts, so that they
    part in training. Further templates are random, with coefficients of zero.

    Args:
        model: a `ZooModel`, left as it is.
        larger: a built `ZooModel` of the same class, whose every number of channels is `model`'s or a multiple of it.
        seed: int, of the parts.

    Returns:
        `larger`, with outputs equal to `model`'s.

    Raises:
        ValueError: if the larger network is no wider form of the other, such as one with shortcuts of its own.
    """
    values = {weight.path: ops.convert_to_numpy(weight.value) for weight in model.weights}
    weights = {weight.path: weight for weight in larger.weights}
    if type(model) is not type(larger) or set(values) != set(weights):
        others = sorted(set(values) ^ set(weights))
        raise ValueError(
            f"A network grows into a wider one of the same family with the same layers. Received: {model.name!r} and "
            f"{larger.name!r}, {'of another class' if not others else f'only one of which has {others[0]}'}"
        )
    rng = np.random.default_rng(seed)
    grown = {path: _grow(values[path], tuple(weight.shape), weight.name, path, rng) for path, weight in weights.items()}
    for path, weight in weights.items():
        weight.assign(grown[path])
    check_outputs(model, larger)
    return larger


def _grow(value: np.ndarray, shape: tuple[int, ...], name: str, path: str, rng: np.random.Generator) -> np.ndarray:
    """One weight, axis by axis: replicated, shared out, or continued."""
    if value.ndim != len(shape) or any(new < old for new, old in zip(shape, value.shape, strict=True)):
        raise ValueError(f"A network grows in width and templates alone. Received: {path} of {value.shape} for {shape}")
    if name == "templates" and shape[0] > value.shape[0]:
        fan_in = np.prod(value.shape[1:-1])
        further = rng.normal(0, np.sqrt(2 / fan_in), (shape[0] - value.shape[0], *value.shape[1:]))
        value = np.concatenate([value, further.astype(value.dtype)])
    if name == "coefficients" and shape[1] > value.shape[1]:
        value = np.pad(value, ((0, 0), (0, shape[1] - value.shape[1])))
    inputs = value.ndim - 2 if name in KERNELS else None
    for axis, (old, new) in enumerate(zip(value.shape, shape, strict=True)):
        if new == old:
            continue
        if new % old or axis < value.ndim - 2 or (axis == value.ndim - 2 and inputs is None):
            raise ValueError(f"A width grows to a multiple of itself. Received: {path} of {value.shape} for {shape}")
        # Replicas stand side by side, which concatenations and space-to-depth leave so.
        value = np.repeat(value, new // old, axis=axis)
        if axis == inputs:
            parts = rng.uniform(0.5, 1.5, (old, new // old))
            parts /= parts.sum(axis=1, keepdims=True)
            value = value * parts.reshape(-1, 1).astype(value.dtype)
    return value
