"""Multiply-accumulate operations of a network, from its layers' shapes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras

from recurzoo.layers.blocks import Block
from recurzoo.layers.shared import SharedLayer
from recurzoo.layers.stage import Stage
from recurzoo.layers.state_graph import StateGraph


def macs(model: keras.Model) -> int:
    """Count the multiply-accumulates of all convolutions and dense layers for one image.

    Each application counts, whether or not its kernel is shared; normalizations, biases, the mixing of kernels and
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
    return sum(macs_by_step(model).values())


def macs_by_step(model: keras.Model) -> dict[str, int]:
    """Count the multiply-accumulates of each part of a network, as `macs` does.

    Args:
        model: a functional model on images of fixed size.

    Returns:
        By name: `STAGE/STEP` for each step of a stage, `GRAPH/UPDATE` for each update of a graph of states, and the
        name of every other layer with weights.

    Raises:
        ValueError: if the model's image size is not fixed.
    """
    if None in model.input_shape[1:]:
        raise ValueError(f"Operations are counted for images of a fixed size. Received: {model.input_shape}")
    found: dict[str, int] = {}
    for layer in model.layers:
        if isinstance(layer, (Stage, StateGraph)):
            count = _of_stage if isinstance(layer, Stage) else _of_graph
            found |= {f"{layer.name}/{step}": macs for step, macs in enumerate(count(layer, layer.input.shape))}
        elif isinstance(layer, SharedLayer):
            # Keras has no public list of the nodes that a layer has in one model.
            nodes = [node for nodes in model._nodes_by_depth.values() for node in nodes if node.operation is layer]
            positions = sum(math.prod(node.outputs[0].shape[1:-1]) for node in nodes)
            found[layer.name] = positions * math.prod(layer.kernel_shape)
        elif layer.weights:
            found[layer.name] = _of_layer(layer, layer.input.shape)
    return found


def _of_layer(layer: keras.Layer, input_shape: Sequence[int]) -> int:
    if isinstance(layer, Stage):
        return sum(_of_stage(layer, input_shape))
    if isinstance(layer, StateGraph):
        return sum(_of_graph(layer, input_shape))
    if isinstance(layer, (keras.Sequential, keras.Model)):
        total = 0
        for inner in layer.layers:
            total += _of_layer(inner, input_shape)
            input_shape = inner.compute_output_shape(input_shape)
        return total
    if isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)):
        positions = layer.compute_output_shape(tuple(input_shape))[1:-1]
        return math.prod(positions) * math.prod(layer.kernel.shape)
    return 0


def _of_stage(stage: Stage, input_shape: Sequence[int]) -> list[int]:
    """The operations of each step."""
    shape = tuple(input_shape)
    steps = []
    for step in range(stage.steps):
        if step in stage.before:
            shape = tuple(stage.before[step].compute_output_shape(shape))
        strides = stage.strides if step == 0 or not stage.block.chained else 1
        of_step, shape = _of_block(stage.block, strides, shape if stage.block.chained else tuple(input_shape))
        steps.append(of_step)
    steps[0] += 0 if stage.shortcut is None else _of_layer(stage.shortcut, input_shape)
    return steps


def _of_graph(graph: StateGraph, input_shape: Sequence[int]) -> list[int]:
    """The operations of each update."""
    first = graph.states[0][0]
    shapes = [(1, *(side * size // first for side in input_shape[-3:-1]), width) for size, width in graph.states]
    updates = [0] * len(graph.schedule)
    for edge, stage in graph.edges.items():
        for update, of_step in zip(graph.updates[edge], _of_stage(stage, shapes[edge[0]]), strict=True):
            updates[update] += of_step
    return updates


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
