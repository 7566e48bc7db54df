"""Iterative inference: what each step does to the features, and what the head reads on the way (Jastrzebski et al.,
2018).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from rich.console import RenderableType
from rich.table import Table

from recurzoo.analysis.ablation import run_without
from recurzoo.analysis.plots import curve, panels, whole_numbers
from recurzoo.analysis.reading import cross_entropy, entropy, probabilities
from recurzoo.analysis.refinement import Refinement, gradient_norms, measure_refinement
from recurzoo.analysis.report import Analysis, Rows
from recurzoo.analysis.subject import Subject, batches
from recurzoo.base.records import FrozenModel
from recurzoo.data.sets import Images, Split
from recurzoo.layers import Stage
from recurzoo.rewriting.steps import Piece, Steps, readout_of
from recurzoo.tasks.evaluation import finite

# As the paper has them: over how many steps borderline examples are followed, and how near to the right class they are.
LAST_STEPS = 5
NEAR = 0.1
BATCH_AT_START = 128


class Reading(FrozenModel):
    """What the network's own head reads from a state.

    Attributes:
        step: after which.
        group: of which examples: `"all"`; `"borderline"`, whose probability of the right class is less than 0.1 away
            from that of the likeliest other one, either way; `"right"`, that are otherwise right. Both are told by the
            first of the last steps.
        examples: how many.
        score: the task's, a share of 1.
        loss: mean cross-entropy, in nats.
        entropy: mean, in nats.
    """

    step: str
    group: str
    examples: int
    score: float | None
    loss: float | None
    entropy: float | None


class Unrolled(FrozenModel):
    """The last step repeated further than it was trained to be.

    Attributes:
        scale: what the residuals of the further steps are multiplied by.
        further: how many there were.
        score: the task's, a share of 1.
        loss: mean cross-entropy, in nats; None where it is not finite.
        norm: the mean norm of the state, in those after the last trained step.
    """

    scale: float
    further: int
    score: float | None
    loss: float | None
    norm: float | None


class GradientsAtStart(FrozenModel):
    """How gradients shrink or grow on their way through the untrained network.

    Attributes:
        seed: of its weights.
        norms: of the gradient of the loss by the state before each step.
        ratio: the first of them, over that before the step that makes the last shape (the paper's h_1 and h_{1 + 2n}).
    """

    seed: int
    norms: dict[str, float]
    ratio: float | None


class Iteration(Analysis):
    """What each step of a network does.

    Attributes:
        metric: what the scores are.
        intact: the network's score.
        steps: what each step does to its input.
        dropped: the score without each step that can be left out.
        readings: what the head reads on the way.
        unrolled: the last step repeated further; empty where it cannot be.
        gradients: at initialization.
    """

    metric: str
    intact: float | None
    steps: tuple[Refinement, ...]
    dropped: dict[str, float | None]
    readings: tuple[Reading, ...]
    unrolled: tuple[Unrolled, ...]
    gradients: tuple[GradientsAtStart, ...]

    def tables(self) -> dict[str, Rows]:
        return {
            "": [
                {
                    **step.to_dict(),
                    f"{self.metric}_without": self.dropped.get(step.step),
                    **{f"gradient_norm_seed_{one.seed}": one.norms[step.step] for one in self.gradients},
                }
                for step in self.steps
            ],
            "readings": [reading.to_dict() for reading in self.readings],
            "unrolled": [unrolled.to_dict() for unrolled in self.unrolled],
        }

    def findings(self) -> dict[str, float | None]:
        series: dict[str, list[float | None]] = {
            "cosine loss": [step.cosine_loss for step in self.steps],
            "l2 ratio": [step.l2_ratio for step in self.steps],
            f"{self.metric} without": list(self.dropped.values()),
            f"{self.metric} read out after": [one.score for one in self.readings if one.group == "all"],
        }
        found: dict[str, float | None] = {}
        for name, values in series.items():
            known = [value for value in values if value is not None]
            if known:
                found |= {f"{name}, first step": known[0], f"{name}, last step": known[-1]}
        for unrolled in self.unrolled:
            if unrolled.further == self.unrolled[-1].further:
                found[f"norm after {unrolled.further} further steps, scale {unrolled.scale:g}"] = unrolled.norm
        ratios = [one.ratio for one in self.gradients if one.ratio is not None]
        if ratios:
            found["gradient ratio at initialization"] = sum(ratios) / len(ratios)
        return found

    def figures(self) -> dict[str, Callable[[Any], None]]:
        found = {"": self._draw_steps}
        if self.readings:
            found["readings"] = self._draw_readings
        return found | ({"unrolled": self._draw_unrolled} if self.unrolled else {})

    def _draw_steps(self, figure: Any) -> None:
        number = {step.step: place for place, step in enumerate(self.steps, start=1)}
        lines = {
            "cosine loss": {step.step: step.cosine_loss for step in self.steps},
            "l2 ratio |F| / |h|": {step.step: step.l2_ratio for step in self.steps},
            f"{self.metric} without the step (share of 1)": self.dropped,
        }
        if self.gradients:
            lines["gradient norm at initialization"] = dict(self.gradients[0].norms)
        for axes, (label, values) in zip(panels(figure, len(lines), 2, 1.8), lines.items(), strict=True):
            curve(axes, 0, [number[step] for step in values], values.values())
            axes.set_xlabel("step")
            axes.set_ylabel(label)
            whole_numbers(axes)
            if label == "cosine loss":
                axes.axhline(0, color="0.6", linewidth=0.8)
            if label.startswith("gradient"):
                axes.set_yscale("log")

    def _draw_readings(self, figure: Any) -> None:
        number = {step.step: place for place, step in enumerate(self.steps, start=1)}
        lines = {f"{self.metric} (share of 1)": "score", "loss (nats)": "loss", "entropy (nats)": "entropy"}
        grid = panels(figure, 3, 3, 2.2)
        for axes, (label, field) in zip(grid, lines.items(), strict=True):
            for place, group in enumerate(dict.fromkeys(reading.group for reading in self.readings)):
                chosen = [reading for reading in self.readings if reading.group == group]
                steps, values = [number[one.step] for one in chosen], [getattr(one, field) for one in chosen]
                curve(axes, place, steps, values, f"{group} ({chosen[0].examples:,})")
            axes.set_xlabel("read out after step")
            axes.set_ylabel(label)
            whole_numbers(axes)
        grid[0].legend()

    def _draw_unrolled(self, figure: Any) -> None:
        lines = {
            f"{self.metric} (share of 1)": "score",
            "loss (nats)": "loss",
            "norm of the state (trained = 1)": "norm",
        }
        grid = panels(figure, 3, 3, 2.2)
        for axes, (label, field) in zip(grid, lines.items(), strict=True):
            for place, scale in enumerate(dict.fromkeys(one.scale for one in self.unrolled)):
                chosen = [one for one in self.unrolled if one.scale == scale]
                values = [getattr(one, field) for one in chosen]
                curve(axes, place, [one.further for one in chosen], values, f"scale {scale:g}")
            axes.set_xlabel("further steps")
            axes.set_ylabel(label)
            whole_numbers(axes)
            if field != "score":
                axes.set_yscale("log")
        grid[0].legend()

    def __rich__(self) -> RenderableType:
        def show(value: float | None) -> str:
            return "-" if value is None else f"{value:.4g}"

        table = Table("step", "cosine loss", "l2 ratio", f"{self.metric} without", "read out", title=self.title)
        read = {reading.step: reading.score for reading in self.readings if reading.group == "all"}
        for step in self.steps:
            without = show(self.dropped.get(step.step))
            table.add_row(step.step, show(step.cosine_loss), show(step.l2_ratio), without, show(read.get(step.step)))
        return table


def measure_iteration(
    subject: Subject,
    further: int = 20,
    scale: float = 0.1,
    seeds: Sequence[int] = (0, 1),
) -> Iteration:
    """Look at what each step of a network does.

    Args:
        subject: a `Subject` with data.
        further: int, how often the last step is repeated.
        scale: float, what the residuals of these repetitions are multiplied by, beside 1.
        seeds: of the untrained networks whose gradients are measured; a network that cannot be built anew has none.

    Returns:
        An `Iteration`.

    Raises:
        ValueError: if the network has no steps, or the data do not fit.
    """
    network, task = Steps(subject.model), subject.task
    test = task.test
    targets = task.targets(test.labels)
    droppable = [piece for piece in network.steps if network.can_skip(piece)]
    intact, *without = run_without(network, test.images, [(), *((piece,) for piece in droppable)])
    scores = [finite(task.score(outputs, test.labels)) for outputs in without]
    logits = _read_on_the_way(network, test.images)
    return Iteration(
        **subject.facts("iteration", test),
        metric=task.metric,
        intact=finite(task.score(intact, test.labels)),
        steps=measure_refinement(network, test.images, targets, task.loss),
        dropped={piece.name: score for piece, score in zip(droppable, scores, strict=True)},
        readings=tuple(_readings(subject, logits)),
        unrolled=tuple(_unroll(subject, network, further, (1.0, scale))) if further else (),
        gradients=tuple(_gradients_at_start(subject, test, targets, seeds)),
    )


def _read_on_the_way(network: Steps, images: Images) -> dict[str, np.ndarray]:
    """Logits after each step that the head fits, by its name."""
    found: dict[str, list[np.ndarray]] = {}
    for _, state in batches(images, "reading out"):
        for piece in network.body:
            state = network.run(piece, state)
            if network.is_readable(piece):
                logits = network.read_out(readout_of(state))
                found.setdefault(piece.name, []).append(ops.convert_to_numpy(logits))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _readings(subject: Subject, logits: dict[str, np.ndarray]) -> list[Reading]:
    labels = subject.task.test.labels
    groups = {"all": (list(logits), np.ones(len(labels), bool))}
    if logits and labels.ndim == 1:
        last = list(logits)[-LAST_STEPS:]
        margin = _margin(logits[last[0]], labels)
        groups |= {"borderline": (last, np.abs(margin) < NEAR), "right": (last, margin >= NEAR)}
    return [
        Reading(
            step=step,
            group=group,
            examples=int(chosen.sum()),
            score=finite(subject.task.score(logits[step][chosen], labels[chosen])),
            loss=finite(float(cross_entropy(logits[step][chosen], labels[chosen]).mean())),
            entropy=finite(float(entropy(logits[step][chosen]).mean())),
        )
        for group, (steps, chosen) in groups.items()
        for step in steps
        if chosen.any()
    ]


def _margin(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The probability of the right class less that of the likeliest other one, of each image."""
    p = probabilities(logits)
    places = np.arange(len(labels))
    right = p[places, labels]
    p[places, labels] = -1
    return right - p.max(axis=1)


def _unroll(subject: Subject, network: Steps, further: int, scales: Sequence[float]) -> list[Unrolled]:
    """The last step repeated, where it is a stage's that keeps the shape."""
    last, test = network.steps[-1], subject.task.test
    if not isinstance(last.layer, Stage) or not network.can_skip(last):
        return []
    # By scale and number of further steps: what the head reads, and the norms of the states.
    logits: dict[tuple[float, int], list[np.ndarray]] = {}
    norms: dict[tuple[float, int], list[np.ndarray]] = {}
    for _, images in batches(test.images, "unrolling"):
        trained = network.through(network.body, images)
        for scale in scales:
            state = trained
            for number in range(further + 1):
                if number:
                    repeated = Piece(last.name, last.layer, last.layer.steps + number - 1)
                    state = network.run(repeated, state, scale=scale)
                logits.setdefault((scale, number), []).append(ops.convert_to_numpy(network.read_out(state)))
                flat = ops.reshape(state, (ops.shape(state)[0], -1))
                norms.setdefault((scale, number), []).append(ops.convert_to_numpy(ops.norm(flat, axis=1)))
    found = []
    for (scale, number), parts in logits.items():
        outputs = np.concatenate(parts)
        # What explodes has no share: it is told as None.
        with np.errstate(invalid="ignore", over="ignore"):
            shares = np.concatenate(norms[scale, number]) / np.maximum(np.concatenate(norms[scale, 0]), 1e-30)
        # A state that has exploded is read as nothing at all.
        whole = bool(np.isfinite(outputs).all())
        found.append(
            Unrolled(
                scale=scale,
                further=number,
                score=finite(subject.task.score(outputs, test.labels)) if whole else None,
                loss=finite(float(cross_entropy(outputs, test.labels).mean())) if whole else None,
                norm=finite(float(shares.mean())),
            )
        )
    return found


def _gradients_at_start(
    subject: Subject, test: Split, targets: np.ndarray, seeds: Sequence[int]
) -> list[GradientsAtStart]:
    if not hasattr(subject.model, "with_architecture"):
        return []
    images, found = test.images[:BATCH_AT_START], []
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        network = Steps(subject.model.with_architecture())
        norms = gradient_norms(network, images, targets[:BATCH_AT_START], subject.task.loss)
        below = norms[_last_change_of_shape(network)]
        ratio = finite(norms[network.steps[0].name] / below) if below else None
        found.append(GradientsAtStart(seed=seed, norms=norms, ratio=ratio))
    return found


def _last_change_of_shape(network: Steps) -> str:
    """The name of the last step that changes the shape; of the first, where none does."""
    changing = [piece for piece in network.steps if not network.can_skip(piece)]
    return (changing or network.steps)[-1 if changing else 0].name
