"""Fully recurrent networks of several states, and the ResNets that are special cases (Liao & Poggio, 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import keras
from keras import layers

from recurzoo.families.base import ZooModel
from recurzoo.families.channel_statistics import CIFAR10, IMAGENET
from recurzoo.families.frnn.names import Prenet, count_updates
from recurzoo.families.frnn.readout import copy_lasting_weights, lasting_sharing
from recurzoo.families.stems import convolutions, imagenet_stem
from recurzoo.layers import StepNormalization
from recurzoo.layers.state_graph import Combine, Weights
from recurzoo.layers.step_normalization import Normalization
from recurzoo.layers.transitions import active_updates, allowed_edges, fit_schedule

DEFAULTS = {
    "cifar10": ((32, 32, 3), 10, CIFAR10),
    "imagenet": ((224, 224, 3), 1000, IMAGENET),
}


@keras.saving.register_keras_serializable("recurzoo")
class FRNN(ZooModel):
    """A pre-net, a graph of states that update each other, and a post-net that reads the last one out (section 3).

    Going up, transposed convolutions double the size. How they lie on what they double the paper leaves open; here they
    do as in PyTorch (stride 2, padding 1, output padding 1): output pixel 2i lies on input pixel i.

    Args:
        states: for each state its `(size, width)`; sizes count in proportion to the first one's, which has the size of
            what the pre-net gives.
        edges: `"full"`, `"adjacent"` (no bypass connections), or pairs `(i, j)`, from state i to state j.
        readout: int, the time t at which the last state is read out.
        schedule: in place of `edges`, for graphs that change with time: pairs of edges and the number of updates for
            which they are allowed; or one number a state, a multi-stage ResNet, in which each state is updated so often
            from itself before the next one takes over. The first number gives way to the readout time.
        combine: `"mean"` over a state's incoming transitions (FRNN), or their `"sum"` (ResNet).
        weights: `"shared"` over time, or `"independent"`.
        normalization: `"no_affine"`, time-specific normalization; `"shared_affine"`, with scale and shift shared over
            time (table 1, ImageNet); or another of `StepNormalization`'s words.
        prenet: 1 or 3 convolutions, or `"imagenet"`: 7x7 at stride 2, and pooling.
        input_time: int, when the input arrives in the first state: there are `readout - input_time` updates. The
            published depths fit 1; 0 is the other reading of the paper.
        num_classes: int; by default 10, and 1000 after ImageNet's pre-net.
        input_shape: `(height, width, channels)`; by default `(32, 32, 3)`, and `(224, 224, 3)` after that one.
        **kwargs: see `ZooModel`; mean and standard deviation default to CIFAR-10's or ImageNet's.

    Raises:
        ValueError: if nothing reaches the last state by the readout time, or no such network exists.
    """

    def __init__(
        self,
        states: Sequence[Sequence[int]] = ((32, 64), (16, 128), (8, 256)),
        edges: Literal["full", "adjacent"] | Sequence[Sequence[int]] = "full",
        readout: int = 5,
        schedule: Sequence[int] | Sequence[tuple[Sequence[Sequence[int]], int]] | None = None,
        combine: Combine = "mean",
        weights: Weights = "shared",
        normalization: Normalization = "shared_affine",
        prenet: Prenet = 3,
        input_time: int = 1,
        num_classes: int | None = None,
        input_shape: Sequence[int | None] | None = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        updates = count_updates(states, edges, readout, schedule, prenet, input_time)
        allowed = allowed_edges(len(states), edges, schedule, updates)
        size, classes, statistics = DEFAULTS["imagenet" if prenet == "imagenet" else "cifar10"]
        self._architecture.update(input_shape=input_shape or size, num_classes=num_classes or classes)
        if schedule is not None:
            self._architecture["schedule"] = fit_schedule(schedule, len(states), updates)

        x = self.begin(input_shape or size, **{**statistics._asdict(), **kwargs})
        width = int(states[0][1])
        x = imagenet_stem(x, width) if prenet == "imagenet" else convolutions(x, prenet, width, name="prenet")
        x = self.state_graph(states, allowed, combine=combine, weights=weights, normalization=normalization)(x)
        x = layers.ReLU(name="relu")(StepNormalization(1, name="bn")(x))
        self.finish(x, num_classes or classes, name)

    @property
    def depth(self) -> int:
        """The longest way from image to logits: convolutions, poolings and the head (table 1)."""
        graph = self.get_layer("graph")
        reached = {0: 0}
        for update in range(len(graph.schedule)):
            ways: dict[int, int] = {}
            for (i, j), stage in graph.edges.items():
                if update in graph.updates[i, j]:
                    ways[j] = max(ways.get(j, 0), reached[i] + len(stage.convolutions))
            reached = ways
        counted = (layers.Conv2D, layers.MaxPooling2D, layers.GlobalAveragePooling2D, layers.Dense)
        return reached[len(graph.states) - 1] + sum(isinstance(layer, counted) for layer in self.layers)

    def with_readout(self, readout: int) -> FRNN:
        """This network read out at another time, with the same weights (figure 5 A).

        Updates that it was trained for keep their statistics, later ones reuse the last ones of their edge, and so does
        the readout; `recurzoo.reestimate_batch_norm(model, images)` measures all of them anew. `statistics` says which.

        Args:
            readout: int, the time t.

        Returns:
            A new, uncompiled model with weights of its own.

        Raises:
            ValueError: if there are edges at that time which this network has no weights for.

        Example:
            >>> later = model.with_readout(15)
            >>> recurzoo.reestimate_batch_norm(later, training_images)
            >>> later.statistics
            'reestimated'
        """
        arguments = self._architecture
        states, updates = len(arguments["states"]), readout - arguments["input_time"]
        allowed = allowed_edges(states, arguments["edges"], arguments["schedule"], updates)
        steps = {f"edge_{i}_{j}": len(found) for (i, j), found in active_updates(allowed, states).items()}
        stages = {stage.name: stage for stage in self.stages}
        sharing = lasting_sharing(stages, steps, arguments["weights"] == "shared")
        overridden = arguments.get("sharing") or {}
        rebuilt = self.with_architecture(
            readout=readout, sharing={name: found for name, found in sharing.items() if name in overridden}
        )
        copy_lasting_weights(self, rebuilt)
        # Not as a plain attribute, which Keras would track.
        object.__setattr__(rebuilt, "_statistics", "reused" if readout != arguments["readout"] else self.statistics)
        return rebuilt

    @property
    def statistics(self) -> str:
        """Where the normalizations' statistics come from.

        `"trained"`, `"reused"` (those of another readout time) or `"reestimated"`. It is not saved with the model.
        """
        return "reestimated" if self.statistics_reestimated else getattr(self, "_statistics", "trained")
