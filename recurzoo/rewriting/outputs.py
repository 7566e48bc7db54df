"""What happens inside a network: the state after every step of every stage, by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import keras
import numpy as np
from keras import ops

from recurzoo.layers import Stage, StateGraph

# How far equal outputs may be apart, of their size.
TOLERANCE, TOLERANCES = 1e-4, {"bfloat16": 5e-2, "float16": 5e-3}


def output_names(model: keras.Model) -> tuple[str, ...]:
    """The names of all states inside a network, in the order in which they come about.

    Args:
        model: a functional Keras model.

    Returns:
        `STAGE/STEP` for each step of a stage, `GRAPH/STATE/UPDATE` for each state that an update of a graph of states
        populates, and the name of every other layer. Steps, states and updates are counted from 0, as in `Stage` and
        `StateGraph`.

    Raises:
        ValueError: if the model is not functional.

    Example:
        >>> recurzoo.output_names(recurzoo.load("rc-4-w16"))
        ('preprocessing', 'stem', 'stem_bn', 'stem_relu', 'cell_1/0', ..., 'cell_2/3', 'pool', 'head')
    """
    found: list[str] = []

    def call(layer: keras.Layer, *args: Any, **kwargs: Any) -> Any:
        found.extend(names_inside(layer, kwargs))
        return layer(*args, **kwargs)

    call_again(model, call)
    return tuple(found)


def with_outputs(model: keras.Model, patterns: str | Sequence[str]) -> keras.Model:
    """An ordinary Keras model that gives states from inside another one.

    Args:
        model: a functional Keras model; the new one has its layers, and so its weights.
        patterns: names of `output_names`, with the wildcards `*`, `?` and `[...]`.

    Returns:
        A functional Keras model from images to a dictionary of tensors by name, in the order in which they come about.
        It predicts, trains, saves and clones as any other.

    Raises:
        ValueError: if the model is not functional, or a pattern matches no name.

    Example:
        >>> inside = recurzoo.with_outputs(model, ["stage_2/3", "stage_3/*"])
        >>> inside.predict(images)["stage_3/0"].shape
    """
    patterns = (patterns,) if isinstance(patterns, str) else tuple(patterns)
    known: list[str] = []
    found: dict[str, Any] = {}

    def call(layer: keras.Layer, *args: Any, **kwargs: Any) -> Any:
        names = names_inside(layer, kwargs)
        known.extend(names)
        if not any(_matches(name, patterns) for name in names):
            return layer(*args, **kwargs)
        if not isinstance(layer, (Stage, StateGraph)):
            found[layer.name] = layer(*args, **kwargs)
            return found[layer.name]
        inside = Inside(layer, kwargs, name=f"{layer.name}_inside", dtype=layer.dtype_policy)
        states, last = inside(*args)
        found.update({name: states[name] for name in names if _matches(name, patterns)})
        return last

    images, _ = call_again(model, call)
    for pattern in patterns:
        if not any(_matches(name, (pattern,)) for name in known):
            raise ValueError(_no_such_output(pattern, known, model))
    if not found:
        raise ValueError(f"Outputs are asked for by one pattern or more. Received: none, of {model.name!r}")
    return keras.Model(images, found, name=model.name)


@keras.saving.register_keras_serializable("recurzoo")
class Inside(keras.layers.Layer):
    """A stage or a graph of states that shows all its states.

    A layer of its own, since Keras takes a layer's second call to give as many tensors as the first.

    Args:
        layer: a `Stage` or a `StateGraph`, whose weights it has.
        settings: dict, what the layer is called with besides its input, such as `steps`.

    Input shape:
        That of the layer.

    Output shape:
        A dictionary of the shapes of all states by name, and the shape that the layer gives.
    """

    def __init__(self, layer: keras.Layer, settings: Mapping[str, Any], **kwargs: Any):
        super().__init__(**kwargs)
        self.layer = layer
        self.settings = dict(settings)

    def build(self, input_shape: Any) -> None:
        if not self.layer.built:
            self.layer.build(input_shape)
        self.built = True

    def call(self, x: Any, training: bool | None = None) -> tuple[dict[str, Any], Any]:
        history = self.layer(x, **{**self.settings, "trajectory": True, "training": training})
        names = names_inside(self.layer, self.settings)
        if isinstance(self.layer, Stage):
            return dict(zip(names, history, strict=True)), history[-1]
        last = len(self.layer.states) - 1
        states = [state for populated in history for _, state in sorted(populated.items())]
        readouts = [populated[last] for populated in history if last in populated]
        output = keras.ops.stack(readouts, axis=1) if self.layer.sequential else readouts[-1]
        return dict(zip(names, states, strict=True)), output

    def get_config(self) -> dict[str, Any]:
        layer = keras.saving.serialize_keras_object(self.layer)
        return {**super().get_config(), "layer": layer, "settings": self.settings}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Inside:
        return cls(**{**config, "layer": keras.saving.deserialize_keras_object(config["layer"])})


def check_outputs(model: keras.Model, other: keras.Model) -> None:
    """Refuse a rewritten network that does not compute what the first one does, on two random images.

    Args:
        model: of images.
        other: for which equal outputs are promised.

    Raises:
        ValueError: if their outputs differ by more than rounding.
    """
    shape = [32 if side is None else side for side in model.input_shape[1:]]
    images = np.random.default_rng(0).uniform(0, 255, (2, *shape)).astype("float32")
    expected, got = (ops.convert_to_numpy(ops.cast(m(images, training=False), "float32")) for m in (model, other))
    difference, size = np.abs(expected - got).max(), max(1.0, float(np.abs(expected).max()))
    if not difference <= TOLERANCES.get(model.compute_dtype, TOLERANCE) * size and np.isfinite(expected).all():
        raise ValueError(
            "The rewritten network does not compute what the first one does. Received: outputs that differ by "
            f"{difference:.3g}, from {model.name!r} to {other.name!r}"
        )


def call_again(model: keras.Model, call: Callable[..., Any]) -> tuple[Any, Any]:
    """Call a functional model's layers on its inputs once more, in order.

    Args:
        model: a functional Keras model; its layers are not copied.
        call: what is done for each layer, called as `call(layer, *args, **kwargs)` with what the model calls it with.

    Returns:
        New symbolic inputs, and outputs.

    Raises:
        ValueError: if the model is not functional.
    """
    if not getattr(model, "inputs", None) or isinstance(model, keras.Sequential):
        raise ValueError(f"Only functional Keras models show what is inside. Received: {type(model).__name__}")
    again = keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)
    return again.input, again.output


def names_inside(layer: keras.Layer, kwargs: Mapping[str, Any]) -> list[str]:
    """The names of the states that a layer has, called with these keyword arguments."""
    if isinstance(layer, Stage):
        return [f"{layer.name}/{step}" for step in range(kwargs.get("steps") or layer.steps)]
    if isinstance(layer, StateGraph):
        updates = range(len(layer.schedule))
        return [f"{layer.name}/{state}/{update}" for update in updates for state in layer.populated(update)]
    return [layer.name]


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _no_such_output(pattern: str, known: Sequence[str], model: keras.Model) -> str:
    near = difflib.get_close_matches(pattern, known, n=3, cutoff=0.3) or known[:3]
    return (
        f"Nothing inside this network has such a name. Received: {pattern!r} of {model.name!r}; it has {len(known)} "
        f"names such as {', '.join(near)}"
    )
