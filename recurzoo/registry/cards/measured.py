"""A model card's scores."""

from __future__ import annotations

from recurzoo.registry.cards.markdown import line, table
from recurzoo.registry.cards.metadata import dataset_title
from recurzoo.registry.scores import ACCURACY, GRIDS, IMAGES, readouts, scores
from recurzoo.registry.spec import Record


def measured(record: Record) -> str:
    """The test scores, beside those of the baseline if one was trained, and what they were measured on.

    Args:
        record: the checkpoint's `Record`.

    Returns:
        Markdown text, empty if nothing was measured.
    """
    return "\n\n".join(filter(None, [_scores(record), _readouts(record)]))


def _scores(record: Record) -> str:
    found, baseline = scores(record.metrics), record.recipe.get("baseline")
    if not found:
        return ""
    data, count = dataset_title(record) or "data that the record does not name", record.metrics.get(IMAGES)
    on = f"On {f'{count:,} test images of ' if isinstance(count, int) else ''}{data}:"
    if grids := record.metrics.get(GRIDS):
        on = f"On {data} that training never saw, {grids} a phase:"
    columns: dict[str, dict[int | None, str]] = {}
    for of in filter(None, [record.architecture, baseline]):
        for score in found if of == record.architecture else scores(record.metrics, of=of):
            text = f"{score.value:.2%}" if score.metric == ACCURACY else f"{score.value:.4f}"
            columns.setdefault(f"{score.name}{f', {of}' if baseline else ''}", {})[score.phase] = text
    phases = list(dict.fromkeys(score.phase for score in found))
    if phases != [None]:
        columns = {"phase": {phase: str(phase or "") for phase in phases}, **columns}
    rows = [[column.get(phase, "") for column in columns.values()] for phase in phases]
    return f"{line(on)}\n\n{table(list(columns), rows)}"


def _readouts(record: Record) -> str:
    """Of a fully recurrent network, read out after fewer or more time steps than it was trained with."""
    found = readouts(record.metrics)
    if not found:
        return ""
    ways = ("reused", "recomputed")
    rows = [[time, *(f"{told[way]:.2%}" if way in told else "" for way in ways)] for time, told in found.items()]
    heads = ("readout time", *(f"statistics of the last trained step {way}" for way in ways))
    return f"Test accuracy when it is read out earlier and later:\n\n{table(heads, rows)}"
