"""Gradients of a function, on whichever backend there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras


def gradients(function: Callable[[list[Any]], Any], tensors: Sequence[Any]) -> list[Any]:
    """The gradients of a scalar function of several tensors.

    Args:
        function: from a list of tensors to a scalar tensor.
        tensors: where the gradients are taken.

    Returns:
        A tensor like each of them.

    Raises:
        NotImplementedError: on a backend that this does not know.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = function(list(tensors))
        return list(tape.gradient(value, list(tensors)))
    if backend == "jax":
        import jax

        return list(jax.grad(function)(list(tensors)))
    if backend == "torch":
        import torch

        leaves = [tensor.detach().clone().requires_grad_() for tensor in tensors]
        return list(torch.autograd.grad(function(leaves), leaves))
    raise NotImplementedError(f"Gradients are taken on TensorFlow, JAX and PyTorch. Received: {backend!r}")
