"""Which layers do the same: similarity matrices over a run's epochs, and the loops that they suggest (Savarese & Maire,
2019, section 4.3 and appendix A).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from rich.console import RenderableType
from rich.table import Table

from recurzoo.analysis.plots import COLORS, matrix, panels
from recurzoo.analysis.report import Analysis, Rows
from recurzoo.analysis.subject import Subject, to_numpy
from recurzoo.base.records import FrozenModel
from recurzoo.sharing import Loop, SoftBank, find_loops
from recurzoo.sharing.similarity import absolute_cosines

Matrix = tuple[tuple[float, ...], ...]
# Of a run, which parts of its epochs are shown: as in figure 8, most of them early.
SHARES = (0, 1 / 40, 1 / 8, 1 / 4, 1)
# As many similarity matrices as stand in a row.
COLUMNS = 5


class BankSimilarity(FrozenModel):
    """How alike the slots of one bank are.

    Attributes:
        stage, bank: their names.
        epochs: after which the matrices are, 0 before the first; the last is the checkpoint's own.
        matrices: the layer similarity matrix after each.
        index: the fold that it suggests: for each slot its kernel.
        loops: in it, over slots.
    """

    stage: str
    bank: str
    epochs: tuple[int | None, ...]
    matrices: tuple[Matrix, ...]
    index: tuple[int, ...]
    loops: tuple[Loop, ...]

    @property
    def name(self) -> str:
        """The stage's, and the bank's where it is not the only one of the stage."""
        return self.stage if self.bank == "bank" else f"{self.stage} {self.bank.removesuffix('_bank')}"


class Similarity(Analysis):
    """Layer similarity matrices, and the fold that they suggest.

    Attributes:
        threshold: the similarity from which slots are tied.
        banks: those of several slots, in order.
    """

    threshold: float
    banks: tuple[BankSimilarity, ...]

    def tables(self) -> dict[str, Rows]:
        return {
            "": [
                {
                    "stage": bank.stage,
                    "bank": bank.bank,
                    "epoch": epoch,
                    "slot": i,
                    "other_slot": j,
                    "similarity": value,
                }
                for bank in self.banks
                for epoch, values in zip(bank.epochs, bank.matrices, strict=True)
                for i, row in enumerate(values)
                for j, value in enumerate(row)
            ]
        }

    def findings(self) -> dict[str, float | None]:
        last = [np.array(bank.matrices[-1]) for bank in self.banks]
        found: dict[str, float | None] = {
            f"similarity of layers {distance} apart": float(
                np.mean(np.concatenate([matrix.diagonal(distance) for matrix in last]))
            )
            for distance in (1, 2)
            if any(len(matrix) > distance for matrix in last)
        }
        found["layers that fold away"] = float(sum(len(bank.index) - max(bank.index) - 1 for bank in self.banks))
        changes = [
            [float(np.abs(np.subtract(one, other)).mean()) for one, other in pairwise(bank.matrices)]
            for bank in self.banks
            if len(bank.matrices) > 2
        ]
        if changes:
            # Of the run, the last stretch shown is three quarters.
            found["change of similarity in the early epochs"] = float(np.mean([sum(change[:-1]) for change in changes]))
            found["change of similarity in the late epochs"] = float(np.mean([change[-1] for change in changes]))
        return found

    def figures(self) -> dict[str, Callable[[Any], None]]:
        return {"": self._draw_matrices, "wiring": self._draw_wiring}

    def _draw_matrices(self, figure: Any) -> None:
        shown = [
            (f"{bank.name}{'' if epoch is None else f', epoch {epoch}'}", values)
            for bank in self.banks
            for epoch, values in zip(bank.epochs, bank.matrices, strict=True)
        ]
        # A row a bank, where each has several matrices.
        columns = max(len(self.banks[0].epochs), min(COLUMNS, len(shown)) if len(self.banks[0].epochs) == 1 else 0)
        grid = panels(figure, len(shown), columns, 1.5)
        for axes, (title, values) in zip(grid, shown, strict=True):
            image = matrix(axes, values)
            axes.set_title(title)
            axes.set_aspect("equal")
            axes.set_xlabel("layer")
            axes.set_ylabel("layer")
        figure.colorbar(image, ax=grid, label="similarity", shrink=0.8)

    def _draw_wiring(self, figure: Any) -> None:
        for axes, bank in zip(panels(figure, len(self.banks), 3, 1.5), self.banks, strict=True):
            draw_wiring(axes, bank.index)
            axes.set_title(f"{bank.name}: {len(bank.index)} layers, {max(bank.index) + 1} kernels")

    def __rich__(self) -> RenderableType:
        table = Table("stage", "slots", "kernels", "kernel of each slot", "loops", title=self.title)
        for bank in self.banks:
            loops = ", ".join(f"{loop.period} x {loop.repeats}" for loop in bank.loops if loop.repeats > 1)
            index = " ".join(map(str, bank.index))
            table.add_row(bank.name, str(len(bank.index)), str(max(bank.index) + 1), index, loops or "none")
        return table


def measure_similarity(subject: Subject, threshold: float = 0.9, epochs: Sequence[int] | None = None) -> Similarity:
    """Compare the slots of every bank, at the end and, where the run kept it, over its epochs.

    Args:
        subject: a `Subject`; it needs no data.
        threshold: float in 0..1, the similarity from which slots are tied.
        epochs: of the run, which to show; a few by default.

    Returns:
        A `Similarity`.

    Raises:
        ValueError: if no bank has several slots, the threshold is outside 0..1, or the run had no such epochs.
    """
    history, banks = subject.run_arrays(), []
    for stage in subject.stages:
        for bank in stage.banks:
            if bank.slots < 2:
                continue
            # After each epoch; of a bank without a history there is nothing but now.
            run = history.get(f"{bank.path}/coefficients", np.zeros(0)) if isinstance(bank, SoftBank) else np.zeros(0)
            last = len(run) - 1 if len(run) else None
            earlier = [] if last is None else _epochs_shown(last, epochs)
            index = bank.fold(threshold).sharing.index
            banks.append(
                BankSimilarity(
                    stage=stage.name,
                    bank=bank.name,
                    epochs=(*earlier, last),
                    matrices=tuple(
                        _rows(values)
                        for values in (*(absolute_cosines(run[epoch]) for epoch in earlier), bank.similarity())
                    ),
                    index=index,
                    loops=tuple(find_loops(index)),
                )
            )
    if not banks:
        raise ValueError(f"Layers are alike where a bank serves several. Received: {subject.record.name!r}, none does")
    return Similarity(**subject.facts("similarity"), threshold=threshold, banks=tuple(banks))


def _epochs_shown(last: int, epochs: Sequence[int] | None) -> list[int]:
    """The epochs to show before the last."""
    if epochs is None:
        return sorted({round(share * last) for share in SHARES} - {last})
    if wrong := [epoch for epoch in epochs if not 0 <= epoch <= last]:
        raise ValueError(f"The run had epochs 0, before the first, to {last}. Received: {wrong}")
    return sorted(set(epochs) - {last})


def _rows(values: Any) -> Matrix:
    # Rounding may leave a layer more than equal to itself.
    return tuple(tuple(map(float, row)) for row in np.clip(to_numpy(values), 0, 1))


def draw_wiring(axes: Any, index: Sequence[int]) -> None:
    """Draw how layers follow each other once those of one kernel are one: kernels in a row, numbered by the layers that
    use them, loops as arcs above, skips below; how often a way is taken, where it is more than once.

    Args:
        axes: Matplotlib axes.
        index: for each layer its kernel.
    """
    from matplotlib.patches import Circle, FancyArrowPatch

    count = max(index) + 1
    radius = 0.28

    def arrow(start: tuple[float, float], end: tuple[float, float], bend: float, color: str, times: int = 1) -> None:
        style = f"arc3,rad={bend}"
        axes.add_patch(
            FancyArrowPatch(
                start, end, connectionstyle=style, arrowstyle="-|>", mutation_scale=8, color=color, shrinkA=0, shrinkB=0
            )
        )
        if times > 1:
            height = (start[1] + end[1]) / 2 + abs(end[0] - start[0]) * abs(bend) / 2 * (1 if bend >= 0 else -1)
            axes.text((start[0] + end[0]) / 2, height, f"{times}x", ha="center", va="bottom", color=color, fontsize=7)

    for (before, after), times in Counter(pairwise(index)).items():
        if after == before + 1:
            arrow((before + radius, 0), (after - radius, 0), 0, COLORS[0], times)
        elif after > before:
            arrow((before, -radius), (after, -radius), 0.5, COLORS[2], times)
        else:
            # From right to left, or to itself.
            side = radius / 2 if after == before else 0
            bend = 2.0 if after == before else min(0.9, 0.4 + 0.4 / (before - after))
            arrow((before + side, radius), (after - side, radius), bend, COLORS[1], times)
    arrow((-0.9, 0), (index[0] - radius, 0), 0, COLORS[0])
    arrow((index[-1] + radius, 0), (count - 0.1, 0), 0 if index[-1] == count - 1 else -0.35, COLORS[0])
    for kernel in range(count):
        axes.add_patch(Circle((kernel, 0), radius, facecolor="white", edgecolor="black", zorder=3))
        axes.text(kernel, 0, str(kernel + 1), ha="center", va="center", zorder=4)
        layers = ", ".join(str(slot + 1) for slot, used in enumerate(index) if used == kernel)
        axes.text(kernel, -radius - 0.1, layers, ha="center", va="top", fontsize=6, zorder=4)
    axes.set_xlim(-1, count)
    axes.set_ylim(-1.2, 1.6)
    axes.set_aspect("equal")
    axes.set_axis_off()
