"""What a model card tells the Hub's machines: its front matter, with the measured scores as a model index."""

from __future__ import annotations

import re

from recurzoo.catalog import catalog
from recurzoo.checkpoints.data import dataset_title, is_about_paths
from recurzoo.checkpoints.record import Record
from recurzoo.checkpoints.scores import scores
from recurzoo.zoo.cards.markdown import line

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
        for score in scores(record.metrics)
    ]
    data = ModelCardData(
        license=licence if known else "other" if licence else None,
        license_name=None if known or not licence else re.sub(r"[^a-z0-9.]+", "-", licence).strip("-"),
        library_name="keras",
        pipeline_tag=task,
        tags=["recurzoo", "weight-sharing", catalog.architecture(record.architecture).family, record.architecture],
        datasets=[hub_dataset] if hub_dataset else None,
        metrics=sorted({score.metric for score in scores(record.metrics)}) or None,
        model_name=line(record.name),
        eval_results=results or None,
    )
    return f"---\n{data.to_yaml(line_break=chr(10))}\n---"
