"""The state of a run, written whole after every epoch, so that a run killed at any moment goes on where it was."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from pydantic import BaseModel, ConfigDict
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from recurzoo.base.documents import format_csv, one_line
from recurzoo.base.files import draft

# What the names of arrays begin with that are no variables.
SHARING = "sharing "


@dataclass
class Progress:
    """How far a run is.

    Attributes:
        recipe: the recipe it follows, as a dictionary.
        rows: one dictionary an epoch: what the log shows.
        seconds: time trained so far, over all sessions.
        precisions: for each epoch the precision it was computed in.
        strategies: for each epoch the strategy it was trained by, and its replicas.
        sharing: how kernels are shared at the start and after each epoch, array by array: see `sharing_arrays`.
    """

    recipe: dict[str, Any]
    rows: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    precisions: list[str] = field(default_factory=list)
    strategies: list[str] = field(default_factory=list)
    sharing: dict[str, list[np.ndarray]] = field(default_factory=dict)

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(self.rows)

    def csv(self) -> str:
        """The log as CSV, a line an epoch."""
        return format_csv(self.rows, list(self.rows[0])) if self.rows else ""

    def add_sharing(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Remember how kernels are shared now."""
        for name, array in arrays.items():
            self.sharing.setdefault(name, []).append(array)

    def save_sharing(self, path: Path) -> None:
        """Write all that was remembered as a safetensors file, epochs on the first axis; no file of nothing."""
        if self.sharing:
            with draft(path) as partial:
                partial.write_bytes(save({name: np.stack(arrays) for name, arrays in self.sharing.items()}))


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
    arrays |= {f"{SHARING}{name}": np.stack(found) for name, found in progress.sharing.items()}
    notes = {
        "recipe": progress.recipe,
        "rows": progress.rows,
        "seconds": progress.seconds,
        "precisions": progress.precisions,
        "strategies": progress.strategies,
    }
    with draft(path) as partial:
        # Not by `save_file`, whose files only their owner may read.
        partial.write_bytes(save(arrays, metadata={"progress": json.dumps(notes)}))


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
    damaged = f"The run's state cannot be read. Received: {path}; start the run anew"
    try:
        with safe_open(path, framework="numpy") as file:
            progress = _read_notes((file.metadata() or {}).get("progress", ""))
            if progress.recipe != recipe:
                changed = sorted(key for key in recipe | progress.recipe if recipe.get(key) != progress.recipe.get(key))
                raise ValueError(
                    f"A run resumes with the recipe it began with. Received: another {', '.join(changed)[:200]} than "
                    f"in {path}; start anew in another folder, without --resume, from the weights of a finished run by "
                    "--set init=CHECKPOINT"
                )
            keyed = {_key(number, variable): variable for number, variable in enumerate(variables)}
            remembered = [key for key in file.keys() if key.startswith(SHARING)]  # noqa: SIM118
            names = set(file.keys()) - set(remembered)
            found = {key: tuple(file.get_slice(key).get_shape()) for key in names}
            if found != {key: tuple(variable.shape) for key, variable in keyed.items()}:
                raise ValueError(
                    f"The run's state was written by another version or backend. Received: {path}; resume it with "
                    "that one, or leave --resume out and give another folder to start anew"
                )
            # All are read before any is assigned, so that a damaged file changes nothing.
            arrays = {key: file.get_tensor(key) for key in keyed}
            progress.sharing.update({key.removeprefix(SHARING): list(file.get_tensor(key)) for key in remembered})
    except (SafetensorError, KeyError, TypeError) as error:
        raise ValueError(f"{damaged} ({one_line(str(error))})") from None
    for key, variable in keyed.items():
        variable.assign(arrays[key])
    return progress


class _Notes(BaseModel):
    """What `save_state` notes beside the variables; a loss may be NaN, and a whole number stays one."""

    model_config = ConfigDict(extra="forbid", strict=True)
    recipe: dict[str, Any]
    rows: list[dict[str, int | float | None]]
    seconds: float
    precisions: list[str]
    strategies: list[str]


def _read_notes(text: str) -> Progress:
    try:
        notes = _Notes(**json.loads(text))
    except (RecursionError, TypeError, ValueError) as error:
        raise SafetensorError(f"its notes are none: {error}") from None
    return Progress(notes.recipe, notes.rows, notes.seconds, notes.precisions, notes.strategies)  # type: ignore[arg-type]


def _key(number: int, variable: Any) -> str:
    # Paths of random generators are not unique; and Keras numbers its names by all that the process has made before.
    return f"{number:05d} {re.sub(r'_[0-9]+(?=/|$)', '', variable.path)}"
