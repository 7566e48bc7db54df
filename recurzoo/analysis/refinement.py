"""Whether steps refine what they are given: how far they move it, and whether down the gradient of the loss
(Jastrzebski et al., 2018).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from recurzoo.analysis.gradients import gradients
from recurzoo.analysis.subject import batches, to_numpy
from recurzoo.base.records import FrozenModel
from recurzoo.data.sets import Images
from recurzoo.rewriting.steps import Piece, State, Steps
from recurzoo.tasks.evaluation import finite

# Of targets and outputs to a scalar.
Loss = Callable[[Any, Any], Any]


class Refinement(FrozenModel):
    """What one step does to its input h by adding F.

    Attributes:
        step: its name.
        cosine_loss: the mean over images of the cosine between F and the gradient of the loss by h: negative where the
            step goes down the loss. None where the shape changes, or nothing moves.
        l2_ratio: the mean of |F| / |h|; None where the shape changes.
    """

    step: str
    cosine_loss: float | None
    l2_ratio: float | None


def measure_refinement(network: Steps, images: Images, targets: np.ndarray, loss: Loss) -> tuple[Refinement, ...]:
    """What each step of a network does to these images.

    Args:
        network: a `Steps`.
        images: array `(images, height, width, channels)`.
        targets: what the loss compares outputs with.
        loss: a Keras loss.

    Returns:
        A `Refinement` for each step, in order.
    """
    cosines: dict[Piece, list[np.ndarray]] = {piece: [] for piece in network.steps}
    ratios: dict[Piece, list[np.ndarray]] = {piece: [] for piece in network.steps}
    for places, batch in batches(images, "gradients of the loss", 50):
        states = _inputs_of_steps(network, batch)
        slopes = _gradients(network, states, targets[places], loss)
        for piece, (before, after) in states.items():
            # Of a graph the states that are populated before and after.
            common = [place for place in before if place in after and before[place].shape == after[place].shape]
            if not common:
                continue
            h, change, slope = (
                np.concatenate([to_numpy(tensors[place]).reshape(len(batch), -1) for place in common], axis=1)
                for tensors in (before, {place: after[place] - before[place] for place in common}, slopes[piece])
            )
            moved, size = np.linalg.norm(change, axis=1), np.linalg.norm(h, axis=1)
            steep = moved * np.linalg.norm(slope, axis=1)
            ratios[piece].append(moved[size > 0] / size[size > 0])
            cosines[piece].append(np.sum(change * slope, axis=1)[steep > 0] / steep[steep > 0])
    return tuple(
        Refinement(step=piece.name, cosine_loss=_mean(cosines[piece]), l2_ratio=_mean(ratios[piece]))
        for piece in network.steps
    )


def _mean(parts: list[np.ndarray]) -> float | None:
    values = np.concatenate(parts) if parts else np.zeros(0)
    return finite(float(values.mean())) if len(values) else None


def _inputs_of_steps(
    network: Steps, images: Any, training: bool = False
) -> dict[Piece, tuple[dict[int, Any], dict[int, Any]]]:
    """For each step the states before and after it, by their numbers."""
    state: State = images
    found = {}
    for piece in network.body:
        before, state = state, network.run(piece, state, training)
        if piece.step is not None:
            found[piece] = _numbered(before), _numbered(state)
    return found


def _numbered(state: State) -> dict[int, Any]:
    return state if isinstance(state, dict) else {0: state}


def _gradients(
    network: Steps, states: dict[Piece, tuple[dict[int, Any], dict[int, Any]]], targets: Any, loss: Loss, training=False
) -> dict[Piece, dict[int, Any]]:
    """The gradient of the loss by each state before a step: by a zero that is added to it."""
    places = [(piece, number) for piece, (before, _) in states.items() for number in before]
    targets = ops.convert_to_tensor(targets)
    first = network.body.index(network.steps[0])
    start = states[network.steps[0]][0]

    def run(zeros: list[Any]) -> Any:
        added = dict(zip(places, zeros, strict=True))
        state: State = start
        for piece in network.body[first:]:
            if piece.step is not None:
                shifted = {n: tensor + added[piece, n] for n, tensor in _numbered(state).items()}
                state = shifted
            state = network.run(piece, state, training)
        return loss(targets, network.read_out(state, training))

    slopes = gradients(run, [ops.zeros_like(states[piece][0][number]) for piece, number in places])
    found: dict[Piece, dict[int, Any]] = {piece: {} for piece in states}
    for (piece, number), slope in zip(places, slopes, strict=True):
        found[piece][number] = slope
    return found


def gradient_norms(network: Steps, images: np.ndarray, targets: np.ndarray, loss: Loss) -> dict[str, float]:
    """The norm of the gradient of the loss by the state before each step, as in training.

    Args:
        network: a `Steps`; its normalizations learn from these images.
        images: array `(images, height, width, channels)`, one batch.
        targets: what the loss compares outputs with.
        loss: a Keras loss.

    Returns:
        By the step's name its norm.
    """
    states = _inputs_of_steps(network, ops.convert_to_tensor(images.astype("float32")), training=True)
    slopes = _gradients(network, states, targets, loss, training=True)
    return {
        piece.name: float(np.sqrt(sum(np.sum(to_numpy(slope) ** 2) for slope in found.values())))
        for piece, found in slopes.items()
    }
