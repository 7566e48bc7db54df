"""Steps that are computed a second time for their gradients, instead of keeping what they computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras

from recurzoo.layers.step import Kernels
from recurzoo.layers.step_normalization import StepNormalization
from recurzoo.layers.tree import all_layers

if TYPE_CHECKING:
    from recurzoo.layers.stage import Stage


def rematerialize(stage: Stage, run: Callable[[Any, Kernels], Any], x: Any, kernels: Kernels) -> Any:
    """Run one step of a stage in training, keeping only its input until the gradients are computed.

    Args:
        stage: the `Stage`.
        run: a function of input and kernels.
        x: tensor, the input.
        kernels: of the step, as `Stage.kernels` gives them.

    Returns:
        What `run` gives.
    """
    layers = [layer for layer in all_layers(stage) if isinstance(layer, StepNormalization) and layer.trainable]
    learned: list[tuple[StepNormalization, int]] = []

    # Whatever has a gradient goes in as an argument, and what is learned on the way comes out: a step that learned
    # statistics itself would learn them twice.
    def run_purely(x: Any, *tensors: Any) -> tuple[Any, ...]:
        rest, statistics = iter(tensors), []
        learned.clear()

        def observe(layer: StepNormalization) -> Callable[[int, Any, Any], None]:
            def note(step: int, mean: Any, variance: Any) -> None:
                learned.append((layer, step))
                statistics.extend([mean, variance])

            return note

        served = {
            site: tuple(None if tensor is None else next(rest) for tensor in pair) for site, pair in kernels.items()
        }
        for layer in layers:
            layer.observer = observe(layer)
        try:
            return run(x, served), *statistics  # type: ignore[arg-type]
        finally:
            for layer in layers:
                layer.observer = None

    tensors = [tensor for pair in kernels.values() for tensor in pair if tensor is not None]
    y, *statistics = keras.remat(run_purely)(x, *tensors)
    for (layer, step), mean, variance in zip(learned, statistics[::2], statistics[1::2], strict=True):
        layer.learn(step, keras.ops.stop_gradient(mean), keras.ops.stop_gradient(variance))
    return y


def check_rematerializable(stage: Stage) -> None:
    """Refuse a stage that draws numbers as it goes, which would be others the second time.

    Raises:
        ValueError: if it has dropout or stochastic depth.
    """
    if stage.block.dropout or any(stage.death_rates or ()):
        raise ValueError(
            "Steps that drop at random cannot be computed twice; leave remat or the dropping out. "
            f"Received: {stage.name!r} with dropout={stage.block.dropout}, death_rates={stage.death_rates}"
        )
