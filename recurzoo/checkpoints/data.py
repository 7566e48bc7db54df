"""The data that a checkpoint was trained and measured on, in words."""

from __future__ import annotations

from collections.abc import Sequence

from recurzoo.catalog import catalog
from recurzoo.checkpoints.record import Record
from recurzoo.checkpoints.scores import GRIDS, IMAGES, scores

SHORTEST_PATHS = "shortest-paths"
# As many names as can be read.
MOST_CLASSES = 20


def is_about_paths(record: Record) -> bool:
    """Whether a checkpoint marks shortest paths, instead of classifying images."""
    return record.dataset is not None and record.dataset.name == SHORTEST_PATHS


def dataset_title(record: Record) -> str | None:
    """The name of the data set in prose, with how the images at hand differ from it."""
    if record.dataset is None:
        return None
    if is_about_paths(record):
        size = record.recipe.get("image_size")
        return "shortest paths on generated grids" + (f" of {size}x{size} cells" if size else "")
    facts = catalog.dataset_facts(record.dataset.name)
    title = facts.title if facts else record.dataset.name
    return f"{title} ({record.dataset.note})" if record.dataset.note else title


def measured_on(record: Record) -> str | None:
    """The examples that a checkpoint's test scores are of, and how many; None if it has no scores."""
    if not scores(record.metrics):
        return None
    data, count = dataset_title(record) or "data that the record does not name", record.metrics.get(IMAGES)
    if grids := record.metrics.get(GRIDS):
        return f"{data} that training never saw, {grids} a phase"
    return f"{f'{count:,} test images of ' if isinstance(count, int) else ''}{data}"


def classes_in_words(names: Sequence[str]) -> str:
    """The names of classes in the order of the logits, or how many there are where they are too many to read."""
    return ", ".join(names) if len(names) <= MOST_CLASSES else str(len(names))
