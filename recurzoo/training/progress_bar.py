"""What a run shows while it runs, on standard error."""

from __future__ import annotations

import sys
from datetime import timedelta
from types import TracebackType
from typing import Any

import keras
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class ProgressBar:
    """A bar over the steps of an epoch, and a line for each epoch done; use it as a context manager.

    Args:
        epochs: int, of the whole run.
    """

    def __init__(self, epochs: int):
        self.epochs = epochs
        # Of this session.
        self.best = 0.0
        console = Console(file=sys.stderr, highlight=False)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        # In a log file only the lines are of use.
        self.bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self.task = self.bar.add_task("reading the data", total=None)
        self.callback = _Steps(self)

    def __enter__(self) -> ProgressBar:
        self.bar.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.bar.stop()

    def show(self, row: dict[str, Any]) -> None:
        """Print the line of an epoch: what was measured, the best so far, and how long the run may still take."""
        score = next((row[name] for name in ("test_accuracy", "test_f1") if name in row), None)
        self.best = score if score is not None and not score <= self.best else self.best
        left = timedelta(seconds=round((self.epochs - row["epoch"]) * row["seconds"]))
        self.bar.console.print(
            f"epoch {row['epoch']:.0f}/{self.epochs}  "
            f"{_describe(row, 'train')}  {_describe(row, 'test')}  best {self.best:.2%}  "
            f"{row['images_per_second']:.0f} images/s, {left} left",
            soft_wrap=True,
        )


def _describe(row: dict[str, Any], part: str) -> str:
    def say(name: str, value: float) -> str:
        return f"{value:.2%}" if name == "accuracy" else f"{name.replace('_', ' ')} {value:.4f}"

    measured = {key.removeprefix(f"{part}_"): value for key, value in row.items() if key.startswith(f"{part}_")}
    return f"{part} " + ", ".join(say(name, measured[name]) for name in sorted(measured))


class _Steps(keras.callbacks.Callback):
    def __init__(self, shown: ProgressBar):
        super().__init__()
        self.shown = shown

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.shown.bar.reset(self.shown.task, total=self.params["steps"], description="training")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.shown.bar.update(self.shown.task, completed=batch + 1)
