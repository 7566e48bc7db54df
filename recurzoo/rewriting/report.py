"""What folding did to a model."""

from __future__ import annotations

from typing import Annotated

import keras
import numpy as np
from pydantic import ConfigDict, PlainSerializer
from rich.console import Group, RenderableType
from rich.table import Table

from recurzoo.base.records import FrozenModel, Report
from recurzoo.layers.tree import all_layers
from recurzoo.sharing import Fold, HardBank, KernelBank, Loop, find_loops

# By name in JSON, where a tuple would be a row of numbers.
Loops = tuple[Annotated[Loop, PlainSerializer(lambda loop: loop._asdict())], ...]


class BankReport(FrozenModel):
    """What became of one bank.

    Attributes:
        name: str, the bank's name in its stage.
        index: for each slot its kernel in the new model.
        scaled: whether each slot has its own signed scale.
        loops: the loops over slots: a pattern of `period` slots run `repeats` times.
        similarity: the layer similarity matrix before, row by row.
        weight_error: the largest `|W_i - s_i W_c| / |W_i|` of a slot.
        angle: the largest angle between a slot's kernel and the one that replaces it, in degrees.
    """

    # Of a network that exploded.
    model_config = ConfigDict(allow_inf_nan=True)

    name: str
    index: tuple[int, ...]
    scaled: bool
    loops: Loops
    similarity: tuple[tuple[float, ...], ...]
    weight_error: float
    angle: float

    @classmethod
    def of(cls, bank: KernelBank, replacement: Fold) -> BankReport:
        """Compare a bank with what replaces it."""
        sharing = replacement.sharing
        old = keras.ops.convert_to_numpy(bank.kernels()).reshape(bank.slots, -1).astype("float64")
        new = replacement.templates.reshape(len(replacement.templates), -1).astype("float64")[list(sharing.index)]
        if replacement.scale is not None:
            new = new * replacement.scale[:, None]
        size = np.maximum(np.linalg.norm(old, axis=1), 1e-30)
        cosines = np.sum(old * new, axis=1) / size / np.maximum(np.linalg.norm(new, axis=1), 1e-30)
        return cls(
            name=bank.name,
            index=sharing.index,
            scaled=sharing.scaled,
            loops=tuple(find_loops(sharing.index)),
            similarity=tuple(tuple(float(value) for value in row) for row in bank.similarity()),
            weight_error=float(np.max(np.linalg.norm(old - new, axis=1) / size)),
            angle=float(np.degrees(np.arccos(np.clip(cosines, -1, 1))).max()),
        )


class StageReport(FrozenModel):
    """What became of one stage.

    Attributes:
        name: str.
        loops: the loops over steps in the new model, which start and end with whole blocks.
        banks: a `BankReport` for each bank.
    """

    name: str
    loops: Loops
    banks: tuple[BankReport, ...]


class FoldReport(Report):
    """What folding, consolidating or materializing did.

    Layers are counted as Savarese & Maire (2019, appendix A) do: every convolution with a kernel of its own, the stem
    and the shortcuts included.

    Attributes:
        action: `"fold"`, `"consolidate"` or `"materialize"`.
        threshold: the similarity from which slots were tied; None but for `"fold"`.
        layers_before, layers_after: convolutions with kernels of their own.
        parameters_before, parameters_after: trainable parameters, each counted once.
        stages: a `StageReport` for each stage that has something to share.
        weight_error: the largest relative error of a slot's kernel.
        angle: the largest angle between a slot's kernel and the one that replaces it, in degrees.
        metric: what the scores are.
        score_before, score_after: shares of 1, on the data given; None without.
        score_reestimated: share of 1, after measuring the normalizations' statistics anew on training data; None
            without both.
        statistics_reestimated: whether the new model's statistics were measured anew.
    """

    model_config = ConfigDict(allow_inf_nan=True)

    action: str
    threshold: float | None
    layers_before: int
    layers_after: int
    parameters_before: int
    parameters_after: int
    stages: tuple[StageReport, ...]
    weight_error: float
    angle: float
    metric: str = "accuracy"
    score_before: float | None = None
    score_after: float | None = None
    score_reestimated: float | None = None
    statistics_reestimated: bool = False

    def __rich__(self) -> RenderableType:
        summary = Table("", "before", "after", title=self._title())
        summary.add_row("layers", str(self.layers_before), str(self.layers_after))
        summary.add_row("parameters", f"{self.parameters_before:,}", f"{self.parameters_after:,}")
        if self.score_before is not None:
            summary.add_row(self.metric, f"{self.score_before:.2%}", f"{self.score_after:.2%}")
        if self.score_reestimated is not None:
            summary.add_row("  statistics measured anew", "", f"{self.score_reestimated:.2%}")
        banks = Table("stage", "bank", "kernel of each slot", "loops of slots", "loops of blocks", "error", "angle")
        for stage in self.stages:
            for bank in stage.banks:
                banks.add_row(
                    stage.name,
                    bank.name,
                    " ".join(map(str, bank.index)),
                    _describe(bank.loops),
                    _describe(stage.loops),
                    f"{bank.weight_error:.2g}",
                    f"{bank.angle:.2g}°",
                )
        return Group(summary, banks)

    def _title(self) -> str:
        return self.action if self.threshold is None else f"{self.action} at similarity {self.threshold:g}"


def _describe(loops: tuple[Loop, ...]) -> str:
    return ", ".join(f"{loop.period} x {loop.repeats}" for loop in loops if loop.repeats > 1) or "none"


def count_layers(model: keras.Model) -> int:
    """Count convolutions with a kernel of their own: a hard bank's kernels, any other bank's slots, each `Conv2D`."""
    layers = all_layers(model)[1:]
    plain = sum(isinstance(layer, keras.layers.Conv2D) for layer in layers)
    banks = [layer for layer in layers if isinstance(layer, KernelBank)]
    return plain + sum(len(set(bank.sharing.index)) if isinstance(bank, HardBank) else bank.slots for bank in banks)
