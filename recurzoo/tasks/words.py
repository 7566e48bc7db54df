"""What each task is called and how its examples are spoken of, for cards and lists; no Keras."""

from __future__ import annotations

from recurzoo.base.records import FrozenModel
from recurzoo.catalog import catalog
from recurzoo.checkpoints.record import Record

SHORTEST_PATHS = "shortest-paths"


class TaskWords(FrozenModel):
    """How a task is spoken of.

    Attributes:
        name: the task's, as `recurzoo.tasks.task.open_task` knows it.
        pipeline_tag: the Hub's name of such tasks.
        examples: what the examples are, in the plural.
        unit: what an image's side is measured in, in the plural.
        purpose: a limit of what such networks are for, as a clause; None for none.
    """

    name: str
    pipeline_tag: str
    examples: str
    unit: str
    purpose: str | None = None


CLASSIFICATION = TaskWords(
    name="classification", pipeline_tag="image-classification", examples="test images", unit="pixels"
)
PATHS = TaskWords(
    name=SHORTEST_PATHS,
    pipeline_tag="image-segmentation",
    examples="grids a phase that training never saw",
    unit="cells",
    purpose="made to study sharing, not to find ways",
)


def words_of(record: Record) -> TaskWords:
    """How the task of a checkpoint is spoken of."""
    return PATHS if record.dataset is not None and record.dataset.name == SHORTEST_PATHS else CLASSIFICATION


def dataset_title(record: Record) -> str | None:
    """The name of a checkpoint's data set in prose; None if its record names none."""
    if record.dataset is None:
        return None
    facts = catalog.dataset_facts(record.dataset.name)
    return facts.title if facts else record.dataset.name


def measured_on(record: Record) -> str | None:
    """The examples that a checkpoint's headline score is of, and how many; None without one."""
    score = record.headline
    if score is None:
        return None
    count = "" if score.examples is None else f"{score.examples:,} "
    return f"{count}{words_of(record).examples} of {dataset_title(record) or 'data that the record does not name'}"
