"""Keras models built anew, layer by layer: flat, with the layers of the models that are nested in them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator
from typing import Any

import keras
import numpy as np

from recurzoo.families.base import ZooModel
from recurzoo.families.softened.network import Softened
from recurzoo.layers import ChannelScale
from recurzoo.layers.tree import all_layers, own_variables
from recurzoo.sharing import KernelBank

# Makes of an operation, and the name it has in the flat model, what is called in its place.
Copy = Callable[[Any, str], Callable[..., Any]]


def is_rebuilt(model: Any) -> bool:
    """Whether a model is rebuilt from its graph, and not from its architecture."""
    return not isinstance(model, ZooModel) or isinstance(model, Softened)


def is_graph(layer: Any) -> bool:
    """Whether a layer is a model that Keras runs as a graph, and not by a `call` of the model's own."""
    if not isinstance(layer, (keras.Sequential, keras.Function)):
        return False
    runs = next(kind for kind in type(layer).__mro__ if "call" in vars(kind))
    return runs.__module__.startswith("keras.src.")


def operations(model: keras.Model) -> Iterator[keras.Operation]:
    """The layers and other operations of a model and of the models nested in it, each once, without inputs."""
    visited: set[int] = set()

    def visit(model: keras.Model) -> Iterator[keras.Operation]:
        for operation in model.layers if isinstance(model, keras.Sequential) else model.operations:
            if id(operation) not in visited and not isinstance(operation, keras.layers.InputLayer):
                visited.add(id(operation))
                yield from visit(operation) if is_graph(operation) else (operation,)

    return visit(model)


def names_of(model: keras.Model) -> dict[int, str]:
    """A name for each operation by its id: its own, or, where two nested models have the same, a numbered one."""
    names: dict[int, str] = {}
    for operation in operations(model):
        names[id(operation)] = unused_name(operation.name, names.values())
    return names


def unused_name(name: str, taken: Collection[str]) -> str:
    """A name, numbered where it is taken."""
    numbered, number = name, 1
    while numbered in taken:
        number += 1
        numbered = f"{name}_{number}"
    return numbered


def rebuild(model: keras.Model, copy: Copy) -> tuple[keras.Model, list[tuple[Any, Any]]]:
    """Build a model of the same inputs and outputs, with its nested models' layers among its own.

    Args:
        model: a functional or built sequential model.
        copy: makes what is called in the place of each layer or other operation.

    Returns:
        A functional model, and pairs of an operation and what `copy` made of it.
    """
    names = names_of(model)
    copies: dict[int, tuple[Any, Any]] = {}

    def call(operation: Any, *args: Any, training: bool | None = None, **kwargs: Any) -> Any:
        if is_graph(operation):
            return run(operation, args[0], training)
        if training is not None and "training" in inspect.signature(operation.call).parameters:
            kwargs["training"] = training
        if id(operation) not in copies:
            copies[id(operation)] = (operation, copy(operation, names[id(operation)]))
        return copies[id(operation)][1](*args, **kwargs)

    def run(model: keras.Model, inputs: Any, training: bool | None) -> Any:
        # What a nested model is called with holds for its layers.
        def inner(operation: Any, *args: Any, **kwargs: Any) -> Any:
            return call(operation, *args, **{"training": training, **kwargs})

        if isinstance(model, keras.Sequential):
            for layer in model.layers:
                inputs = inner(layer, inputs)
            return inputs
        # The one walk over a graph that Keras has; its public `clone_model` can neither unnest nor pass slots on.
        return model._run_through_graph(inputs, call_fn=inner)

    inputs = keras.tree.map_structure(
        lambda x: keras.Input(batch_shape=x.shape, dtype=x.dtype, sparse=x.sparse, name=x.name),
        model.inputs[0] if isinstance(model, keras.Sequential) else model.input,
    )
    kind = type(model) if isinstance(model, Softened) else keras.Model
    return kind(inputs, run(model, inputs, None), name=model.name), list(copies.values())


def copy_operation(operation: Any, name: str, **changes: Any) -> Any:
    """An operation made anew from its config, but for its name and other changes, and without its weights.

    Raises:
        ValueError: if it cannot be made from its config.
    """
    if type(operation).__name__ == "LayerScale" and type(operation).__module__.startswith("keras.src.applications"):
        return ChannelScale(name=name, dtype=operation.dtype_policy, trainable=operation.trainable)
    # What is copied runs already, so that there is nothing to be safe from.
    arguments = {"safe_mode": False} if isinstance(operation, keras.layers.Lambda) else {}
    try:
        return type(operation).from_config({**operation.get_config(), "name": name, **changes}, **arguments)
    except Exception as error:
        raise ValueError(
            f"A model is rebuilt from the configs of its layers, and this one cannot be: {error} "
            f"Received: {operation.name!r}, a {type(operation).__name__}"
        ) from error


def copy_state(layer: keras.Layer, copy: keras.Layer) -> None:
    """Give a built copy of a layer its weights, but for banks of another sharing, and what of it is trainable."""
    for source, target in zip(all_layers(layer), all_layers(copy), strict=True):
        # Not where it is so already: that would thaw what was frozen by itself.
        if target.trainable != source.trainable:
            target.trainable = source.trainable
        if isinstance(source, KernelBank) and source.sharing != target.sharing:
            continue
        store: dict[str, Any] = {}
        # As files do, and not by `set_weights`, after which some layers would not know what they have learned.
        source.save_own_variables(store)
        if store:
            target.load_own_variables({key: array_of(value) for key, value in store.items()})
        for old, new in zip(own_variables(source), own_variables(target), strict=True):
            if new.trainable != old.trainable:
                new.trainable = old.trainable


def array_of(value: Any) -> np.ndarray:
    """A variable's value as an array of its own: two models on JAX would own one, which goes as the first trains."""
    return np.array(keras.ops.convert_to_numpy(value))
