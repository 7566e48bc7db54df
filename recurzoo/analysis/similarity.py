"""Which layers do the same: similarity matrices over a run's epochs, and the loops that they suggest (Savarese & Maire,
2019, section 4.3 and appendix A).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from rich.console import RenderableType
from rich.table import Table

from recurzoo.analysis.plots import matrix, panels
from recurzoo.analysis.report import Analysis, Rows
from recurzoo.analysis.subject import Subject, to_numpy
from recurzoo.analysis.wiring import draw_loops
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
            draw_loops(axes, bank.index)
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
