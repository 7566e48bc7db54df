"""The state of a run, written whole after every epoch, so that a run killed at any moment goes on where it was."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from recurzoo.files import draft


@dataclass
class Progress:
    """How far a run is.

    Attributes:
        recipe: the recipe it follows, as a dictionary.
        rows: one dictionary an epoch: what the log shows.
        seconds: time trained so far, over all sessions.
    """

    recipe: dict[str, Any]
    rows: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(self.rows)

    def csv(self) -> str:
        """The log as CSV, a line an epoch."""
        text = io.StringIO()
        if self.rows:
            writer = csv.DictWriter(text, list(self.rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)
        return text.getvalue()


def save_state(path: Path, variables: list[Any], progress: Progress) -> None:
    """Write variables and progress into one safetensors file, atomically.

    Args:
        path: file to write.
        variables: Keras variables; their order is their key.
        progress: `Progress`.
    """
    arrays = {
        _key(number, variable): np.asarray(keras.ops.convert_to_numpy(variable))
        for number, variable in enumerate(variables)
    }
    notes = {"recipe": progress.recipe, "rows": progress.rows, "seconds": progress.seconds}
    with draft(path) as partial:
        save_file(arrays, partial, metadata={"progress": json.dumps(notes)})


def load_state(path: Path, variables: list[Any], recipe: dict[str, Any]) -> Progress:
    """Read what `save_state` wrote, into variables of the same run.

    Args:
        path: file to read.
        variables: Keras variables, assigned.
        recipe: the recipe that the run is to follow.

    Returns:
        The `Progress`.

    Raises:
        ValueError: if the file is damaged, or of another recipe.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            progress = Progress(**json.loads(file.metadata()["progress"]))
            if progress.recipe != recipe:
                changed = sorted(key for key in recipe | progress.recipe if recipe.get(key) != progress.recipe.get(key))
                raise ValueError(
                    f"A run resumes with the recipe it began with. Received: another {', '.join(changed)} than in "
                    f"{path}; leave --resume out and give another folder to start anew"
                )
            keys = [_key(number, variable) for number, variable in enumerate(variables)]
            if set(keys) != set(file.keys()):
                raise ValueError(f"The run's state was written by another version or backend. Received: {path}")
            for key, variable in zip(keys, variables, strict=True):
                variable.assign(file.get_tensor(key))
    except (SafetensorError, KeyError, TypeError) as error:
        raise ValueError(f"The run's state cannot be read: {error}. Received: {path}; start the run anew") from None
    return progress


def _key(number: int, variable: Any) -> str:
    # Paths of random generators are not unique; and Keras numbers its names by all that the process has made before.
    return f"{number:05d} {re.sub(r'_[0-9]+(?=/|$)', '', variable.path)}"
