"""How kernels share, in the weights themselves: the angles between relaxed copies over a run, and the maps of soft
coefficients.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from rich.console import RenderableType
from rich.table import Table

from recurzoo.analysis.plots import COLORS, matrix, panels
from recurzoo.analysis.report import Analysis, Rows
from recurzoo.analysis.subject import Subject, to_numpy
from recurzoo.base.records import FrozenModel
from recurzoo.sharing import RelaxedBank, SoftBank


class Angles(FrozenModel):
    """How far the copies of one relaxed kernel are from their mean.

    Attributes:
        bank: its path.
        epochs: after which, 0 before the first; None of a network without a run.
        degrees: for each of them, one angle a copy.
    """

    bank: str
    epochs: tuple[int | None, ...]
    degrees: tuple[tuple[float, ...], ...]


class Coefficients(FrozenModel):
    """How each layer of one soft bank mixes the templates.

    Attributes:
        bank: its path.
        values: for each slot one coefficient a template.
    """

    bank: str
    values: tuple[tuple[float, ...], ...]


class Weights(Analysis):
    """How kernels share.

    Attributes:
        angles: of each relaxed bank.
        coefficients: of each soft bank.
    """

    angles: tuple[Angles, ...]
    coefficients: tuple[Coefficients, ...]

    def tables(self) -> dict[str, Rows]:
        angles = [
            {"bank": one.bank, "epoch": epoch, "slot": slot, "degrees": degrees}
            for one in self.angles
            for epoch, row in zip(one.epochs, one.degrees, strict=True)
            for slot, degrees in enumerate(row)
        ]
        coefficients = [
            {"bank": one.bank, "slot": slot, "template": template, "coefficient": value}
            for one in self.coefficients
            for slot, row in enumerate(one.values)
            for template, value in enumerate(row)
        ]
        return {name: rows for name, rows in (("angles", angles), ("coefficients", coefficients)) if rows}

    def findings(self) -> dict[str, float | None]:
        return {f"largest angle at the end, {one.bank} (degrees)": max(one.degrees[-1]) for one in self.angles}

    def figures(self) -> dict[str, Callable[[Any], None]]:
        drawn = {"angles": self._draw_angles} if self.angles else {}
        return drawn | ({"coefficients": self._draw_coefficients} if self.coefficients else {})

    def _draw_angles(self, figure: Any) -> None:
        for axes, one in zip(panels(figure, len(self.angles), 3, 1.7), self.angles, strict=True):
            if one.epochs[-1] is None:
                axes.plot(range(1, len(one.degrees[0]) + 1), one.degrees[0], color=COLORS[0], marker="o")
                axes.set_xlabel("copy")
            else:
                axes.plot(one.epochs, np.array(one.degrees), color=COLORS[0], alpha=0.5, linewidth=0.7)
                axes.set_xlabel("epoch")
            axes.set_ylabel("angle to the mean (degrees)")
            axes.set_title(one.bank)

    def _draw_coefficients(self, figure: Any) -> None:
        largest = max(float(np.abs(one.values).max()) for one in self.coefficients)
        grid = panels(figure, len(self.coefficients), 4, 1.9)
        for axes, one in zip(grid, self.coefficients, strict=True):
            # Blue, white and red: told apart by everyone.
            image = matrix(axes, one.values, "RdBu_r", -largest, largest)
            axes.set_title(one.bank)
            axes.set_xlabel("template")
            axes.set_ylabel("layer")
        figure.colorbar(image, ax=grid, label="coefficient", shrink=0.8)

    def __rich__(self) -> RenderableType:
        table = Table("bank", "slots", "", title=self.title)
        for one in self.angles:
            table.add_row(one.bank, str(len(one.degrees[-1])), f"at most {max(one.degrees[-1]):.3g}° from the mean")
        for soft in self.coefficients:
            table.add_row(soft.bank, str(len(soft.values)), f"{len(soft.values[0])} templates")
        return table


def measure_weights(subject: Subject) -> Weights:
    """Look at angles and coefficients: of a relaxed bank over the run, where its checkpoint has kept them.

    Args:
        subject: a `Subject`; it needs no data.

    Returns:
        A `Weights`.

    Raises:
        ValueError: if there is neither a soft nor a relaxed bank, now or in the run.
    """
    banks = {bank.path: bank for stage in subject.stages for bank in stage.banks}
    angles = {
        key.removesuffix("/angles"): (tuple(range(len(found))), found)
        for key, found in sorted(subject.run_arrays().items())
        if key.endswith("/angles") and found.ndim == 2
    }
    for path, bank in banks.items():
        if isinstance(bank, RelaxedBank) and path not in angles:
            angles[path] = ((None,), bank.angles_to_mean()[None])  # type: ignore[assignment]
    coefficients = {path: to_numpy(bank.coefficients) for path, bank in banks.items() if isinstance(bank, SoftBank)}
    if not angles and not coefficients:
        raise ValueError(
            "Angles and coefficients are those of relaxed and soft banks. "
            f"Received: {subject.record.name!r}, which has none, and no run that kept any"
        )
    return Weights(
        **subject.facts("weights"),
        angles=tuple(
            Angles(bank=path, epochs=epochs, degrees=_rows(found)) for path, (epochs, found) in angles.items()
        ),
        coefficients=tuple(Coefficients(bank=path, values=_rows(found)) for path, found in coefficients.items()),
    )


def _rows(values: np.ndarray) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(map(float, row)) for row in values)
