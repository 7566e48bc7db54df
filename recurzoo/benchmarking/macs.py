"""Multiply-accumulate operations of a network, from its layers' shapes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras

from recurzoo.layers import Block, Stage, StateGraph


def macs(model: keras.Model) -> int:
    """Count the multiply-accumulates of all convolutions and dense layers for one image.

    Each application counts, whether or not its kernel is shared; normalisations, biases, the mixing of kernels and
    whatever else is done once a pixel or once a batch do not.

    Args:
        model: a functional model on images of fixed size.

    Returns:
        An int.

    Raises:
        ValueError: if the model's image size is not fixed.

    Example:
        >>> recurzoo.benchmarking.macs(recurzoo.create("wrn-28-10")) / 1e9
        5.2...
    """
    if None in model.input_shape[1:]:
        raise ValueError(f"Operations are counted for images of a fixed size. Received: {model.input_shape}")
    return sum(_of_layer(layer, layer.input.shape) for layer in model.layers if layer.weights)


def _of_layer(layer: keras.Layer, input_shape: Sequence[int]) -> int:
    if isinstance(layer, Stage):
        return _of_stage(layer, input_shape)
    if isinstance(layer, StateGraph):
        return _of_graph(layer, input_shape)
    if isinstance(layer, (keras.Sequential, keras.Model)):
        total = 0
        for inner in layer.layers:
            total += _of_layer(inner, input_shape)
            input_shape = inner.compute_output_shape(input_shape)
        return total
    if isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense)):
        positions = layer.compute_output_shape(tuple(input_shape))[1:-1]
        return math.prod(positions) * math.prod(layer.kernel.shape)
    return 0


def _of_stage(stage: Stage, input_shape: Sequence[int]) -> int:
    shape = tuple(input_shape)
    total = 0 if stage.shortcut is None else _of_layer(stage.shortcut, shape)
    for step in range(stage.steps):
        if step in stage.before:
            shape = tuple(stage.before[step].compute_output_shape(shape))
        strides = stage.strides if step == 0 or not stage.block.chained else 1
        of_step, shape = _of_block(stage.block, strides, shape if stage.block.chained else tuple(input_shape))
        total += of_step
    return total


def _of_graph(graph: StateGraph, input_shape: Sequence[int]) -> int:
    first = graph.states[0][0]
    shapes = [(1, *(size * own // first for size in input_shape[-3:-1]), width) for own, width in graph.states]
    return sum(_of_stage(stage, shapes[source]) for (source, _), stage in graph.edges.items())


def _of_block(block: Block, strides: int, shape: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    """The operations of one step, and the shape of what it gives."""
    total = 0
    for convolution in block.convolutions(shape[-1]).values():
        before = shape[1:-1]
        after = before
        if convolution.strided:
            change = (lambda size: size * strides) if convolution.transposed else lambda size: -(-size // strides)
            after = tuple(change(size) for size in before)
        # A transposed convolution spreads each pixel of its input; the others gather each one of their output.
        total += math.prod(before if convolution.transposed else after) * math.prod(convolution.kernel_shape)
        shape = (shape[0], *after, convolution.output_channels)
    return total, (*shape[:-1], block.channels)
