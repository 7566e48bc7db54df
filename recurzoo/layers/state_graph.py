"""The graph of states: one layer that owns all its transitions."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import reduce
from typing import Any, Literal, get_args

import keras
from keras import ops

from recurzoo.layers.settings import Owner
from recurzoo.layers.shared import SharedLayer
from recurzoo.layers.stage import Stage
from recurzoo.layers.step import Kernels
from recurzoo.layers.step_normalization import Normalization
from recurzoo.layers.transition_block import TransitionBlock
from recurzoo.layers.transitions import Edge, active_updates
from recurzoo.sharing import Loop, Sharing, find_loops, tied, untied

Combine = Literal["mean", "sum"]
Weights = Literal["shared", "independent"]
States = dict[int, Any]


@keras.saving.register_keras_serializable("recurzoo")
class StateGraph(Owner, keras.layers.Layer):
    """A recurrent network of several states, all updated at once from each other (Liao & Poggio, 2016, section 3).

    At each update, state j becomes the mean (or the sum) of `f_ij(state i)` over the transitions that are allowed then
    and whose source is populated; a state that nothing leads to is empty. At first only state 0 is populated, by the
    layer's input; at last the last state is read out. A transition at a time from which nothing reaches the readout is
    left out.

    In a sequence, state 0 receives an input before each update, added to what it is (eq. 2), and the last state is read
    out after each.

    Each edge is a `Stage` of `TransitionBlock`s, whose steps are the updates at which it runs; so kernels and
    normalizations are shared over time, or are not, as in any stage. Its name is `edge_i_j`.

    Args:
        states: for each state its `(size, width)`: height of its maps and channels. Only the sizes' ratios count, which
            are powers of two.
        schedule: for each update the edges `(i, j)` that are allowed, from state i to state j, counted from 0.
        combine: `"mean"` (FRNN) or `"sum"` (ResNet).
        weights: `"shared"` over time, one set an edge, or `"independent"`.
        normalization: what the updates' normalizations share, one of `StepNormalization`'s words; time-specific
            normalization is `"no_affine"`, or `"shared_affine"` with scale and shift shared over time.
        sharing: dict from an edge's name to its `Sharing` (or a tuple of one a bank), in place of what `weights` says.
        sequential: bool, whether input and output are sequences, one member for each update.
        kernel_size: int, of all convolutions: 3, or 1 for states without extent.
        unroll: bool. If False, repeated updates run as a real loop when not training; results are equal. A sequence
            always runs unrolled.

    Input shape:
        `(batch, height, width, channels)`, those of state 0; of a sequence `(batch, updates, height, width, channels)`.

    Output shape:
        `(batch, height, width, channels)`, those of the last state; of a sequence
        `(batch, updates, height, width, channels)`.

    Raises:
        ValueError: if sizes are not powers of two apart, nothing reaches the readout, or a word or an edge is unknown.

    Example:
        Two states, each updated from both, read out after four updates:

        >>> graph = StateGraph([(32, 64), (16, 128)], [full_edges(2)] * 4)
        >>> graph(images).shape
    """

    def __init__(
        self,
        states: Sequence[Sequence[int]],
        schedule: Sequence[Sequence[Sequence[int]]],
        combine: Combine = "mean",
        weights: Weights = "shared",
        normalization: Normalization = "shared_affine",
        sharing: Mapping[str, Sharing | tuple[Sharing, ...]] | None = None,
        sequential: bool = False,
        kernel_size: int = 3,
        unroll: bool = True,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        for word, known in ((combine, Combine), (weights, Weights)):
            if word not in get_args(known):
                raise ValueError(f"A state graph knows the words {get_args(known)}. Received: {word!r}")
        self.states = tuple((int(size), int(width)) for size, width in states)
        self.schedule = tuple(tuple((int(i), int(j)) for i, j in edges) for edges in schedule)
        self.combine: Combine = combine
        self.weights_over_time: Weights = weights
        self.normalization = normalization
        self.sharing = dict(sharing or {})
        self.sequential = sequential
        self.kernel_size = kernel_size
        self.unroll = unroll
        self.updates = active_updates(self.schedule, len(self.states), sequential)
        unknown = set(self.sharing) - {f"edge_{i}_{j}" for i, j in self.updates}
        if unknown:
            raise ValueError(f"This state graph has no edges of these names. Received: {sorted(unknown)}")
        self.stages = [self._make_edge(edge, len(steps)) for edge, steps in self.updates.items()]

    def _make_edge(self, edge: Edge, steps: int) -> Stage:
        (size, width), (to_size, to_width) = (self.states[state] for state in edge)
        levels = math.log2(size / to_size)
        if not levels.is_integer():
            raise ValueError(f"The states' sizes are powers of two apart. Received: states={self.states}")
        block = TransitionBlock(
            to_width, (width + to_width) // 2, int(levels), edge[0] == edge[1], kernel_size=self.kernel_size
        )
        name = f"edge_{edge[0]}_{edge[1]}"
        sharing = self.sharing.get(name, tied(steps) if self.weights_over_time == "shared" else untied(steps))
        strides = 2 if levels else 1
        return Stage(block, steps, sharing, self.normalization, strides, name=name, dtype=self.dtype_policy)

    @property
    def edges(self) -> dict[Edge, Stage]:
        """The stage of each edge."""
        return dict(zip(self.updates, self.stages, strict=True))

    def populated(self, update: int) -> list[int]:
        """The states that an update populates, of those that still serve the readout."""
        return sorted({to for (_, to), updates in self.updates.items() if update in updates})

    def build(self, input_shape: Any) -> None:
        updates = input_shape[1] if self.sequential else len(self.schedule)
        if updates != len(self.schedule):
            raise ValueError(f"A sequence has {len(self.schedule)} members, one an update. Received: {updates}")
        self._check_map(input_shape)
        for (source, _), stage in self.edges.items():
            stage.build((None, None, None, self.states[source][1]))
        self.finish_parts()
        self.built = True

    def _check_map(self, shape: Any) -> None:
        *extent, channels = shape[-3:]
        smallest = min(size for size, _ in self.states)
        halvings = max(1, self.states[0][0] // smallest)
        if channels != self.states[0][1] or any(size is not None and size % halvings for size in extent):
            raise ValueError(
                f"The first state has {self.states[0][1]} channels, and a height and a width that divide by {halvings}."
                f" Received: a feature map of shape {tuple(shape)}"
            )

    def loops(self) -> list[Loop]:
        """The loops that run this graph: a pattern of `period` updates run `repeats` times.

        The first updates, while states are still empty, and the last ones, which no longer serve all states, stand
        apart.
        """
        return find_loops([self._loop_key(update) for update in range(len(self.schedule))])

    def _loop_key(self, update: int) -> tuple[Hashable, ...]:
        running = [(edge, stage) for edge, stage in self.edges.items() if update in self.updates[edge]]
        return tuple((edge, stage.loop_key(self.updates[edge].index(update))) for edge, stage in running)

    def call(self, x: Any, trajectory: bool = False, training: bool | None = None) -> Any:
        """Run all updates.

        Args:
            x: tensor, what populates state 0, or the sequence of what it receives.
            trajectory: bool, whether to return the states after each update instead of the last one's readout.
            training: bool.

        Returns:
            A tensor, or with `trajectory` a list of dicts from the number of each populated state to its tensor. A
            state that no longer serves the readout is left out.
        """
        # Where images have an open size, theirs is known here at last.
        self._check_map(x.shape)
        states: States = {} if self.sequential else {0: x}
        last = len(self.states) - 1
        if not (self.unroll or training or trajectory or self.sequential):
            for loop in self.loops():
                states = self._run_loop(states, loop)
            return states[last]
        inputs = ops.unstack(x, num=len(self.schedule), axis=1) if self.sequential else []
        kernels = self.kernels()
        history = []
        for update in range(len(self.schedule)):
            if inputs:
                states[0] = states[0] + inputs[update] if 0 in states else inputs[update]
            states = self.run_update(states, update, kernels, training)
            history.append(dict(states))
        if trajectory:
            return history
        return ops.stack([states[last] for states in history], axis=1) if self.sequential else states[last]

    def compute_output_spec(self, x: Any, trajectory: bool = False, training: bool | None = None) -> Any:
        if trajectory:
            return super().compute_output_spec(x, trajectory=True, training=training)
        # Without running all updates, which takes long in a deep graph.
        (first, _), (last, channels) = self.states[0], self.states[-1]
        extent = [None if size is None else size * last // first for size in x.shape[-3:-1]]
        return keras.KerasTensor((*x.shape[:-3], *extent, channels), self.compute_dtype)

    def kernels(self) -> dict[Edge, Callable[[int], Kernels]]:
        """For each edge the kernels of its steps, as `Stage.kernels` gives them."""
        return {edge: stage.kernels() for edge, stage in self.edges.items()}

    def run_update(
        self,
        states: States,
        update: int,
        kernels: Mapping[Edge, Callable[[int], Kernels]],
        training: bool | None = None,
    ) -> States:
        """Run one update by itself: from the populated states to those that are populated after it."""
        return self._update(states, update, lambda edge, step: (step, kernels[edge](step)), training)

    def _update(
        self,
        states: States,
        update: int,
        weights_at: Callable[[Edge, int], tuple[Any, Kernels]],
        training: bool | None = None,
    ) -> States:
        """One synchronous update; `weights_at` gives, for an edge and its step, the step to run and its kernels."""
        incoming: dict[int, list[Any]] = {}
        for edge, stage in self.edges.items():
            if update in self.updates[edge]:
                step, kernels = weights_at(edge, self.updates[edge].index(update))
                incoming.setdefault(edge[1], []).append(stage.run_step(states[edge[0]], step, kernels, training))
        scale = {state: 1 / len(found) if self.combine == "mean" else 1.0 for state, found in incoming.items()}
        sums = {state: reduce(ops.add, found) for state, found in incoming.items()}
        return {state: found if scale[state] == 1 else found * scale[state] for state, found in sums.items()}

    def _run_loop(self, states: States, loop: Loop) -> States:
        starts = range(loop.start, loop.start + loop.period)
        steps_a_turn = {edge: sum(update in updates for update in starts) for edge, updates in self.updates.items()}
        tables = {}
        for edge, stage in self.edges.items():
            for update in starts:
                if update in self.updates[edge]:
                    first = self.updates[edge].index(update)
                    turns = range(first, first + loop.repeats * steps_a_turn[edge], steps_a_turn[edge])
                    tables[edge, first] = stage.kernel_table(turns)
        # In order, and without the states' numbers: a loop carries tensors.
        carried = sorted(states)

        def repeat_once(turn: Any, values: tuple[Any, ...]) -> tuple[Any, ...]:
            current = dict(zip(carried, values, strict=True))
            for update in starts:
                current = self._update(
                    current,
                    update,
                    lambda edge, first: (first + turn * steps_a_turn[edge], tables[edge, first](turn)),
                    training=False,
                )
            return tuple(current[state] for state in sorted(current))

        if loop.repeats == 1:
            after = self.populated(loop.stop - 1)
            return dict(zip(after, repeat_once(0, tuple(states[state] for state in carried)), strict=True))
        # What repeats populates just the states it starts from: any other would serve nothing.
        values = ops.fori_loop(0, loop.repeats, repeat_once, tuple(states[state] for state in carried))
        return dict(zip(carried, values, strict=True))

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "states": [list(state) for state in self.states],
            "schedule": [[list(edge) for edge in edges] for edges in self.schedule],
            "combine": self.combine,
            "weights": self.weights_over_time,
            "normalization": self.normalization,
            "sharing": {
                edge: [serialize(one) for one in sharing] if isinstance(sharing, tuple) else serialize(sharing)
                for edge, sharing in self.sharing.items()
            },
            "sequential": self.sequential,
            "kernel_size": self.kernel_size,
            "unroll": self.unroll,
            **self.parts_config(),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> StateGraph:
        restored = keras.saving.deserialize_keras_object(config["sharing"])
        sharing = {edge: tuple(found) if isinstance(found, list) else found for edge, found in restored.items()}
        return cls.with_parts({**config, "sharing": sharing})


def stages_of(model: keras.Model) -> list[Stage | SharedLayer]:
    """What has a model's banks, in order: stages, those along the edges of a graph of states included, and layers that
    are called at several nodes.
    """
    owners = [layer.stages if isinstance(layer, StateGraph) else [layer] for layer in model.layers]
    return [stage for stages in owners for stage in stages if isinstance(stage, (Stage, SharedLayer))]
