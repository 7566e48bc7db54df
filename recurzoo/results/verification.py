"""What verifying checkpoints found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from recurzoo.base.records import Report


@dataclass(frozen=True)
class CheckpointReport:
    """What verifying one checkpoint found.

    Attributes:
        checkpoint: str, its name.
        files: how many were compared with their recorded SHA-256.
        parameters: counted in the stored weights; None if these could not be read.
        metrics: how many are recorded.
        measured: names of those that were measured again.
        not_measured: why none were, or None.
        problems: the differences found, a sentence each.
    """

    checkpoint: str
    files: int
    parameters: int | None
    metrics: int
    measured: tuple[str, ...]
    not_measured: str | None
    problems: tuple[str, ...]

    def describe(self) -> str:
        """This checkpoint's line."""
        if self.problems:
            return f"{self.checkpoint}: FAILED: {'; '.join(self.problems)}"
        kept = f"{self.files} files, {self.parameters:,} parameters"
        if not self.measured:
            return f"{self.checkpoint}: as recorded: {kept}; metrics not measured, since {self.not_measured}"
        return f"{self.checkpoint}: as recorded: {kept}, {len(self.measured)} of {self.metrics} metrics measured again"


@dataclass(frozen=True)
class Verification(Report):
    """What `recurzoo verify` found.

    Attributes:
        checkpoints: a `CheckpointReport` for each checkpoint.
        problems: what is wrong besides, such as results of a checkpoint that is not there.
    """

    checkpoints: tuple[CheckpointReport, ...]
    problems: tuple[str, ...]

    @property
    def failed(self) -> bool:
        return bool(self.problems) or any(report.problems for report in self.checkpoints)

    def to_dict(self) -> dict[str, Any]:
        return {"passed": not self.failed, **super().to_dict()}

    def __rich__(self) -> RenderableType:
        lines = [*(report.describe() for report in self.checkpoints), *(f"FAILED: {text}" for text in self.problems)]
        # Not a string, whose brackets would be read as markup.
        return Text("\n".join(lines))
