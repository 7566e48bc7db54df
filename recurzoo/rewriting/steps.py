"""A network taken apart into the steps that it takes, to be run one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import keras
from keras import ops

from recurzoo.layers import Stage, StateGraph
from recurzoo.rewriting.outputs import call_again

# What flows through a network: a tensor, or the populated states of a graph by their numbers.
State = Any


@dataclass(frozen=True, eq=False)
class Piece:
    """What a network does between two of its states.

    Attributes:
        name: `STAGE/STEP`, `GRAPH/UPDATE`, or the name of a layer.
        layer: the `Stage` or `StateGraph` that owns the step, or the layer itself.
        step: the step or the update, from 0; None of any other layer.
        settings: what the layer is called with besides its input.
    """

    name: str
    layer: keras.Layer
    step: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


class Steps:
    """A network whose layers stand in a row, taken apart.

    Its kernels are those that the banks give when a step is first run.

    Args:
        model: a functional Keras model with a `Stage` or a `StateGraph`.

    Attributes:
        body: the `Piece`s in order, up to the last step.
        head: those after it, which read the last state out.

    Raises:
        ValueError: if the model has no steps, or its layers do not stand in a row.

    Example:
        >>> network = Steps(model)
        >>> for piece in network.body:
        ...     state = network.run(piece, state)
        >>> logits = network.read_out(state)
    """

    def __init__(self, model: keras.Model):
        pieces: list[Piece] = []
        # What came out of the layer before, and what goes into this one.
        ends: list[Any] = []

        def call(layer: keras.Layer, *args: Any, **kwargs: Any) -> Any:
            if ends and args[0] is not ends[-1]:
                raise ValueError(
                    f"Only networks whose layers stand in a row are taken apart. Received: {model.name!r}, in which "
                    f"{layer.name!r} does not follow the layer before it"
                )
            pieces.extend(_pieces_of(layer, kwargs))
            ends.append(layer(*args, **kwargs))
            return ends[-1]

        call_again(model, call)
        places = [place for place, piece in enumerate(pieces) if piece.step is not None]
        if not places:
            raise ValueError(f"This network has no stage whose steps could be looked at. Received: {model.name!r}")
        self.model = model
        self.body, self.head = tuple(pieces[: places[-1] + 1]), tuple(pieces[places[-1] + 1 :])
        self._kernels: dict[str, Any] = {}

    @property
    def steps(self) -> list[Piece]:
        """The pieces that are steps of a stage or updates of a graph."""
        return [piece for piece in self.body if piece.step is not None]

    def run(self, piece: Piece, state: State, training: bool = False, scale: float | None = None) -> State:
        """Run one piece.

        Args:
            piece: of `body` or `head`; or a step after a stage's last, which repeats that one.
            state: a tensor, or what the piece before gave.
            training: bool.
            scale: float, a factor for the residual of a step after the last.

        Returns:
            A tensor, or after an update a dictionary from the numbers of the populated states to their tensors.
        """
        layer, step = piece.layer, piece.step
        if isinstance(layer, StateGraph) and step is not None:
            states = state if isinstance(state, dict) else {0: state}
            return layer.run_update(states, step, self._kernels_of(layer), training)
        if isinstance(layer, Stage) and step is not None:
            kernels = self._kernels_of(layer)(step)
            return layer.run_step(readout_of(state), step, kernels, training, piece.settings.get("extra_scale", scale))
        return layer(readout_of(state), training=training)

    def through(self, pieces: Iterable[Piece], state: State, training: bool = False) -> State:
        """Run several pieces one after the other."""
        for piece in pieces:
            state = self.run(piece, state, training)
        return state

    def read_out(self, state: State, training: bool = False) -> Any:
        """What the network's own head gives for a state."""
        return self.through(self.head, readout_of(state), training)

    def compile(self, pieces: Sequence[Piece], read: Callable[[State], Any]) -> Callable[[State], tuple[State, Any]]:
        """Compile several pieces for inference, and what reads the state after them.

        Args:
            pieces: to be run one after the other.
            read: from a state to what is read, in Keras' operations.

        Returns:
            A function from the state before the pieces to the state after them and what is read. It always takes the
            model's present weights.
        """

        def run(state: State) -> tuple[State, Any]:
            # With kernels of its own, which are part of what is compiled.
            apart = copy(self)
            apart._kernels = {}
            state = apart.through(pieces, state)
            return state, read(state)

        backend = keras.backend.backend()
        if backend == "tensorflow":
            import tensorflow as tf

            # Without autograph, which would make pages of what is refused in a sentence.
            return tf.function(run, reduce_retracing=True, autograph=False)
        if backend == "jax":
            import jax

            variables = self.model.variables

            @jax.jit
            def run_with(values: list[Any], state: State) -> tuple[State, Any]:
                with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
                    return run(state)

            return lambda state: run_with([variable.value for variable in variables], state)
        return run

    def is_readable(self, piece: Piece) -> bool:
        """Whether the head fits the state after a piece: one of as many channels as the last, or the last of a graph's
        states.
        """
        last = self.body[-1].layer
        if piece.step is None or not getattr(self.model, "architecture", {}).get("include_top", True):
            return False
        if isinstance(last, StateGraph):
            return piece.layer is last and len(last.states) - 1 in last.populated(piece.step)
        return isinstance(piece.layer, Stage) and piece.layer.block.channels == last.block.channels

    def can_skip(self, piece: Piece) -> bool:
        """Whether the network runs without a piece: a step that keeps the shape, or an update that populates no further
        state.
        """
        layer, step = piece.layer, piece.step
        if isinstance(layer, StateGraph) and step is not None:
            before = layer.populated(step - 1) if step else [0]
            return set(layer.populated(step)) <= set(before)
        return isinstance(layer, Stage) and step is not None and not (step == 0 and layer.has_entry)

    def _kernels_of(self, layer: Stage | StateGraph) -> Any:
        if layer.name not in self._kernels:
            if layer.compute_dtype not in ("float32", "float64"):
                raise ValueError(
                    f"Networks are taken apart in float32. Received: {layer.name!r} in {layer.compute_dtype}; load the "
                    'network under keras.config.set_dtype_policy("float32")'
                )
            self._kernels[layer.name] = layer.kernels()
        return self._kernels[layer.name]


def state_names(piece: Piece) -> list[str]:
    """The names, of those of `output_names`, of the tensors after a step; the last is that which goes on."""
    layer = piece.layer
    if isinstance(layer, StateGraph) and piece.step is not None:
        return [f"{layer.name}/{state}/{piece.step}" for state in layer.populated(piece.step)]
    return [piece.name]


def states_after(piece: Piece, state: State) -> dict[str, Any]:
    """The tensors after a piece by their names."""
    tensors = [state[number] for number in sorted(state)] if isinstance(state, dict) else [state]
    return dict(zip(state_names(piece), tensors, strict=True))


def readout_of(state: State) -> Any:
    """The tensor that goes on to the next layer: of the states of a graph the last."""
    return state[max(state)] if isinstance(state, dict) else state


def gather(state: State, places: Any) -> State:
    """The state of some of the images."""
    if isinstance(state, dict):
        return {number: ops.take(tensor, places, axis=0) for number, tensor in state.items()}
    return ops.take(state, places, axis=0)


def _pieces_of(layer: keras.Layer, settings: Mapping[str, Any]) -> list[Piece]:
    if isinstance(layer, StateGraph):
        if layer.sequential:
            raise ValueError(
                f"A graph of states that reads a sequence is not taken apart. Received: {layer.name!r}; use "
                "recurzoo.with_outputs"
            )
        return [Piece(f"{layer.name}/{update}", layer, update) for update in range(len(layer.schedule))]
    if not isinstance(layer, Stage):
        return [Piece(layer.name, layer)]
    pieces = []
    for step in range(settings.get("steps") or layer.steps):
        if step in layer.before:
            pieces.append(Piece(layer.before[step].name, layer.before[step]))
        pieces.append(Piece(f"{layer.name}/{step}", layer, step, settings))
    return pieces
