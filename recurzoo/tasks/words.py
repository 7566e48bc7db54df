"""What each task is called, and how its examples and scores are spoken of, for cards and lists; no Keras."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from recurzoo.base.records import FrozenModel
from recurzoo.catalog import catalog
from recurzoo.checkpoints.record import Record, Score

SHORTEST_PATHS = "shortest-paths"
# As many names as can be read.
MOST_CLASSES = 20


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
    examples="unseen grids a phase",
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


def classes_in_words(names: Sequence[str]) -> str:
    """The names of classes in the order of the logits, or how many there are where they are too many to read."""
    return ", ".join(names) if len(names) <= MOST_CLASSES else str(len(names))


def score_in_words(score: Score | None) -> str:
    """A headline score on one line."""
    if score is None:
        return "not measured"
    return f"{score.rounded} {score.title}" + ("" if score.examples is None else f" on {score.examples:,} examples")


def tabulate(scores: Iterable[Score]) -> dict[str, dict[str, dict[int | None, str]]]:
    """Scores in words, sorted into tables.

    Args:
        scores: of one checkpoint.

    Returns:
        By what the rows of a table are numbered by, `"phase"`, `"readout time"` or `""` where there is one row; then by
        the kind of score; then by the number, in order, or None.
    """
    tables: dict[str, dict[str, dict[int | None, str]]] = {}
    for score in sorted(scores, key=lambda score: (score.readout or 0, score.phase or 0)):
        by = "readout time" if score.readout is not None else "" if score.phase is None else "phase"
        number = score.phase if score.readout is None else score.readout
        tables.setdefault(by, {}).setdefault(score.kind, {})[number] = score.rounded
    return tables
