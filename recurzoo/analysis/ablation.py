"""Which steps a network can do without ("Towards Efficient Recurrent Visual Models", section 4.3, figure 3)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
from keras import ops
from rich.console import RenderableType
from rich.table import Table

from recurzoo.analysis.plots import curve, panels, whole_numbers
from recurzoo.analysis.report import Analysis, Rows
from recurzoo.analysis.subject import Subject, batches
from recurzoo.base.records import FrozenModel
from recurzoo.data.sets import Images
from recurzoo.rewriting.steps import Piece, Steps
from recurzoo.tasks.evaluation import finite

Order = Literal["single", "top-to-bottom", "bottom-to-top"]


class AblationCurve(FrozenModel):
    """What dropping steps of one stage costs.

    Attributes:
        model, stage: their names.
        order: `"single"`, each step by itself; `"top-to-bottom"`, more and more from the last on; `"bottom-to-top"`,
            from the first on.
        dropped: single, the number of the step; otherwise how many steps, from 0.
        scores: the network's, shares of 1; None where it is not finite.
    """

    model: str
    stage: str
    order: Order
    dropped: tuple[int, ...]
    scores: tuple[float | None, ...]


class Ablation(Analysis):
    """A network's score without some of its steps.

    Attributes:
        metric: what the scores are.
        intact: the score of each network with all steps, by its name.
        curves: an `AblationCurve` for each network, stage and order.
    """

    metric: str
    intact: dict[str, float]
    curves: tuple[AblationCurve, ...]

    def tables(self) -> dict[str, Rows]:
        return {
            "": [
                {"model": one.model, "stage": one.stage, "order": one.order, "dropped": dropped, self.metric: score}
                for one in self.curves
                for dropped, score in zip(one.dropped, one.scores, strict=True)
            ]
        }

    def findings(self) -> dict[str, float | None]:
        found: dict[str, float | None] = {}
        for one in self.curves:
            known = [score for score in one.scores if score is not None]
            if one.order == "single":
                found[f"{one.stage} without its first step"] = one.scores[0]
                found[f"{one.stage} without its last step"] = one.scores[-1]
            elif known:
                # Smooth and slow decay is a large area.
                found[f"{one.stage}, mean over {one.order}"] = sum(known) / len(known)
        return found

    def figures(self) -> dict[str, Callable[[Any], None]]:
        return {"": self._draw}

    def _draw(self, figure: Any) -> None:
        stages = list(dict.fromkeys(one.stage for one in self.curves))
        orders = [order for order in get_args(Order) if any(one.order == order for one in self.curves)]
        places = [(stage, order) for stage in stages for order in orders]
        grid = panels(figure, len(places), len(orders), 1.7 if len(stages) > 1 else 2.4, sharey=True)
        for axes, (stage, order) in zip(grid, places, strict=True):
            for number, (model, intact) in enumerate(self.intact.items()):
                for one in self.curves:
                    if (one.model, one.stage, one.order) == (model, stage, order):
                        curve(axes, number, one.dropped, one.scores, model)
                axes.axhline(intact, color="0.6", linewidth=0.8, linestyle=":")
            axes.set_title(f"{stage}, {order}")
            axes.set_xlabel("step dropped" if order == "single" else "steps dropped")
            axes.set_ylim(0, 1)
            if order == orders[0]:
                axes.set_ylabel(f"{self.metric} (share of 1)")
            whole_numbers(axes)
        if len(self.intact) > 1:
            grid[0].legend()

    def __rich__(self) -> RenderableType:
        table = Table("model", "stage", "order", f"{self.metric} by what is dropped", title=self.title)
        for one in self.curves:
            scores = ("-" if score is None else f"{score:.3f}" for score in one.scores)
            pairs = zip(one.dropped, scores, strict=True)
            table.add_row(one.model, one.stage, one.order, "  ".join(f"{step}: {score}" for step, score in pairs))
        return table


def measure_ablation(
    subject: Subject,
    stages: Sequence[str] | None = None,
    orders: Sequence[Order] = get_args(Order),
    against: Sequence[Any] = (),
) -> Ablation:
    """Switch steps off, one by one and one after the other, and measure what is left.

    Args:
        subject: a `Subject` with data.
        stages: names of stages or graphs; all that have two steps to drop by default.
        orders: of `"single"`, `"top-to-bottom"` and `"bottom-to-top"`.
        against: further networks, as `Subject` takes them, such as one that was trained without stochastic depth.

    Returns:
        An `Ablation`.

    Raises:
        ValueError: if there is no such stage, no step can be dropped, or the data do not fit.
    """
    if unknown := set(orders) - set(get_args(Order)):
        raise ValueError(f"Steps are dropped in the orders {get_args(Order)}. Received: {sorted(unknown)}")
    intact, curves = {}, []
    for one in (subject, *(Subject(other, subject.data, subject.limit) for other in against)):
        network = Steps(one.model)
        variants = _variants(network, stages, orders, one.record.name)
        outputs = run_without(network, one.task.test.images, [(), *variants.values()])
        scores = [finite(one.task.score(output, one.task.test.labels)) for output in outputs]
        intact[one.record.name] = scores[0] or 0.0
        found: dict[tuple[str, Order], tuple[list[int], list[float | None]]] = {}
        for (stage, order, dropped), score in zip(variants, scores[1:], strict=True):
            steps, values = found.setdefault((stage, order), ([], []))
            steps.append(dropped)
            values.append(score)
        curves += [
            AblationCurve(model=one.record.name, stage=stage, order=order, dropped=tuple(steps), scores=tuple(values))
            for (stage, order), (steps, values) in found.items()
        ]
    facts = subject.facts("ablation", subject.task.test)
    return Ablation(**facts, metric=subject.task.metric, intact=intact, curves=tuple(curves))


def _variants(
    network: Steps, stages: Sequence[str] | None, orders: Sequence[Order], name: str
) -> dict[tuple[str, Order, int], tuple[Piece, ...]]:
    """What is dropped, by stage, order and number."""
    by_stage: dict[str, list[Piece]] = {}
    for piece in network.steps:
        if network.can_skip(piece):
            by_stage.setdefault(piece.layer.name, []).append(piece)
    if stages is None:
        chosen = {stage: pieces for stage, pieces in by_stage.items() if len(pieces) > 1} or by_stage
    else:
        chosen = {stage: by_stage[stage] for stage in stages if stage in by_stage}
    if not chosen or (stages is not None and set(stages) - set(chosen)):
        known = ", ".join(by_stage) or "none"
        raise ValueError(f"Of these stages steps can be dropped: {known}. Received: {stages or 'all'} of {name!r}")
    variants: dict[tuple[str, Order, int], tuple[Piece, ...]] = {}
    for stage, pieces in chosen.items():
        for order in orders:
            for number, piece in enumerate(pieces):
                if order == "single":
                    variants[stage, order, piece.step or 0] = (piece,)
                elif order == "top-to-bottom":
                    variants[stage, order, number] = tuple(pieces[len(pieces) - number :])
                else:
                    variants[stage, order, number] = tuple(pieces[:number])
            if order != "single":
                variants[stage, order, len(pieces)] = tuple(pieces)
    return variants


def run_without(
    network: Steps, images: Images, variants: Sequence[Collection[Piece]], what: str = "dropping steps"
) -> list[np.ndarray]:
    """The outputs of a network for images, each time without some of its steps.

    Args:
        network: a `Steps`.
        images: array `(images, height, width, channels)`.
        variants: for each run the pieces to leave out.
        what: said by the progress bar.

    Returns:
        An array of outputs for each variant.
    """
    places: Mapping[Piece, int] = {piece: place for place, piece in enumerate(network.body)}
    parts: list[list[np.ndarray]] = [[] for _ in variants]
    for _, state in batches(images, what):
        # What comes before the first step that is left out is run once for all.
        before = [state]
        for piece in network.body:
            before.append(network.run(piece, before[-1]))
        for number, dropped in enumerate(variants):
            start = min((places[piece] for piece in dropped), default=len(network.body))
            kept = [piece for piece in network.body[start:] if piece not in dropped]
            parts[number].append(ops.convert_to_numpy(network.read_out(network.through(kept, before[start]))))
    return [np.concatenate(outputs) for outputs in parts]
