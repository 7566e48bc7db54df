"""What a model card tells the Hub's machines: its front matter, with the measured scores as a model index."""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

from recurzoo.registry import catalog
from recurzoo.registry.spec import Record

SHORTEST_PATHS = "shortest-paths"
# The Hub's identifiers of licences that weights are published under; others are named in words.
HUB_LICENCES = (
    "apache-2.0",
    "bsd-3-clause",
    "cc-by-4.0",
    "cc-by-nc-4.0",
    "cc-by-nc-sa-4.0",
    "cc-by-sa-4.0",
    "cc0-1.0",
    "gpl-3.0",
    "mit",
)
_F1 = re.compile(r"test_f1(?P<without>_without_queries)?_phase_(?P<phase>\d+)")


class Score(NamedTuple):
    """A test score of the checkpoint, a share of 1; of one phase where the test has several."""

    metric: str
    name: str
    value: float
    phase: int | None = None


def scores(record: Record, of: str | None = None) -> list[Score]:
    """The test scores in a checkpoint's record.

    Args:
        record: a `Record`.
        of: str, the plain twin that was trained beside it, for that one's scores.
    """
    found = []
    for prefixed, value in record.metrics.items():
        key = prefixed.removeprefix(f"{of}_") if of else prefixed
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        if not is_number or (of and key == prefixed):
            continue
        if key == "test_accuracy":
            found.append(Score("accuracy", "Test accuracy", value))
        elif match := _F1.fullmatch(key):
            name = "Test F1 without the query cells" if match["without"] else "Test F1"
            found.append(Score("f1", name, value, int(match["phase"])))
    return found


def line(text: Any) -> str:
    """Text of a record on one line, so that it cannot end the part of a card that it stands in."""
    return " ".join(str(text).split())


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


def front_matter(record: Record) -> str:
    """The front matter of a checkpoint's card.

    Args:
        record: the checkpoint's `Record`.

    Returns:
        YAML text between lines of three dashes.
    """
    from huggingface_hub import EvalResult, ModelCardData

    task = "image-segmentation" if is_about_paths(record) else "image-classification"
    dataset = record.dataset.name if record.dataset else None
    facts = catalog.dataset_facts(dataset) if dataset else None
    hub_dataset = facts.hub_id if facts else None
    licence = (record.licence or "").lower()
    known = licence in HUB_LICENCES
    results = [
        EvalResult(
            task_type=task,
            dataset_type=hub_dataset or line(dataset or "unknown"),
            dataset_name=line(dataset_title(record) or "not stated"),
            dataset_config=f"phase {score.phase}" if score.phase else None,
            dataset_split="test",
            metric_type=score.metric,
            metric_name=score.name,
            metric_value=score.value,
        )
        for score in scores(record)
    ]
    data = ModelCardData(
        license=licence if known else "other" if licence else None,
        license_name=None if known or not licence else re.sub(r"[^a-z0-9.]+", "-", licence).strip("-"),
        library_name="keras",
        pipeline_tag=task,
        tags=["recurzoo", "weight-sharing", catalog.architecture(record.architecture).family, record.architecture],
        datasets=[hub_dataset] if hub_dataset else None,
        metrics=sorted({score.metric for score in scores(record)}) or None,
        model_name=line(record.name),
        eval_results=results or None,
    )
    return f"---\n{data.to_yaml(line_break=chr(10))}\n---"
