"""Normalizing by a batch's own statistics, by the fastest kernel each backend has."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


def normalize_by_batch(x: Any, gamma: Any, beta: Any, epsilon: float) -> tuple[Any, Any, Any]:
    """Normalize over all axes but the last, and over the parts of the batch that other replicas have.

    Args:
        x: tensor `(batch, height, width, channels)`, of any float type.
        gamma: tensor `(channels,)`.
        beta: tensor `(channels,)`.
        epsilon: float, added to the variance.

    Returns:
        The normalized tensor in the type of `x`, and mean and (biased) variance, in float32 at least.
    """
    if keras.backend.backend() == "tensorflow":
        return _fused(x, gamma, beta, epsilon)
    # Never in half precision, nor doubles in single.
    precision = "float64" if keras.backend.standardize_dtype(x.dtype) == "float64" else "float32"
    wide, gamma, beta = (ops.cast(tensor, precision) for tensor in (x, gamma, beta))
    mean, variance = ops.moments(wide, axes=(0, 1, 2))
    normalized = ops.batch_normalization(wide, mean, variance, axis=-1, offset=beta, scale=gamma, epsilon=epsilon)
    return ops.cast(normalized, x.dtype), mean, variance


def _fused(x: Any, gamma: Any, beta: Any, epsilon: float) -> tuple[Any, Any, Any]:
    import tensorflow as tf

    if tf.distribute.get_strategy().num_replicas_in_sync > 1 and tf.distribute.get_replica_context() is not None:
        return _synchronized(x, gamma, beta, epsilon)
    if x.dtype == tf.float64:
        mean, variance = tf.nn.moments(x, axes=(0, 1, 2))
        beta, gamma = tf.cast(beta, x.dtype), tf.cast(gamma, x.dtype)
        return tf.nn.batch_normalization(x, mean, variance, beta, gamma, epsilon), mean, variance
    # One pass instead of the five of moments and scaling: it makes a narrow net train up to twice as fast on a CPU.
    gamma, beta = tf.cast(gamma, "float32"), tf.cast(beta, "float32")
    normalized, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x, scale=gamma, offset=beta, mean=tf.zeros_like(beta), variance=tf.zeros_like(gamma), epsilon=epsilon
    )
    # The fused kernel reports the unbiased variance; every other backend, and Keras, the biased one.
    count = tf.cast(tf.reduce_prod(tf.shape(x)[:-1]), "float32")
    return normalized, mean, variance * (count - 1) / count


def _synchronized(x: Any, gamma: Any, beta: Any, epsilon: float) -> tuple[Any, Any, Any]:
    import tensorflow as tf

    wide = x if x.dtype == tf.float64 else tf.cast(x, "float32")
    count = tf.cast(tf.reduce_prod(tf.shape(wide)[:-1]), wide.dtype)
    total = tf.reduce_sum(wide, axis=(0, 1, 2))
    # Around a part's own mean, so that little is lost to rounding; a part may be empty.
    mean = tf.math.divide_no_nan(total, count)
    squares = tf.reduce_sum(tf.square(wide - mean), axis=(0, 1, 2)) + count * tf.square(mean)
    # All in one message.
    sums = tf.stack([total, squares, tf.fill(tf.shape(total), count)])
    total, squares, count = tf.unstack(tf.distribute.get_replica_context().all_reduce("sum", sums))
    mean = total / count
    variance = tf.maximum(squares / count - tf.square(mean), 0)
    beta, gamma = tf.cast(beta, wide.dtype), tf.cast(gamma, wide.dtype)
    normalized = tf.nn.batch_normalization(wide, mean, variance, beta, gamma, epsilon)
    return tf.cast(normalized, x.dtype), mean, variance
