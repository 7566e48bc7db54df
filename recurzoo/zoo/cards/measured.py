"""A model card's scores."""

from __future__ import annotations

from recurzoo.checkpoints.data import measured_on
from recurzoo.checkpoints.record import Record
from recurzoo.checkpoints.scores import WAYS, readouts, scores
from recurzoo.zoo.cards.markdown import line, table


def measured(record: Record) -> str:
    """The test scores, beside those of the baseline if one was trained, and what they were measured on.

    Args:
        record: the checkpoint's `Record`.

    Returns:
        Markdown text, empty if nothing was measured.
    """
    return "\n\n".join(filter(None, [_scores(record), _readouts(record)]))


def _scores(record: Record) -> str:
    found, baseline = scores(record.metrics), record.baseline
    if not found:
        return ""
    columns: dict[str, dict[int | None, str]] = {}
    for of in filter(None, [record.architecture, baseline]):
        for score in found if of == record.architecture else scores(record.metrics, of=of):
            columns.setdefault(f"{score.name}{f', {of}' if baseline else ''}", {})[score.phase] = score.rounded
    phases = list(dict.fromkeys(score.phase for score in found))
    if phases != [None]:
        columns = {"phase": {phase: str(phase or "") for phase in phases}, **columns}
    rows = [[column.get(phase, "") for column in columns.values()] for phase in phases]
    return f"On {line(measured_on(record))}:\n\n{table(list(columns), rows)}"


def _readouts(record: Record) -> str:
    """Of a fully recurrent network, read out after fewer or more time steps than it was trained with."""
    found = readouts(record.metrics)
    if not found:
        return ""
    rows = [[time, *(f"{told[way]:.2%}" if way in told else "" for way in WAYS)] for time, told in found.items()]
    heads = ("readout time", *(f"statistics of the last trained step {way}" for way in WAYS))
    return f"Test accuracy when it is read out earlier and later:\n\n{table(heads, rows)}"
