"""Model cards, written from a checkpoint's record and the catalog."""

from __future__ import annotations

from typing import Any

from recurzoo.catalog import catalog
from recurzoo.catalog.facts import Figure
from recurzoo.checkpoints.data import classes_in_words, dataset_title, is_about_paths
from recurzoo.checkpoints.record import Record
from recurzoo.checkpoints.scores import others_in_words, scores
from recurzoo.zoo.cards.markdown import bullets, facts, line, table
from recurzoo.zoo.cards.measured import measured
from recurzoo.zoo.cards.metadata import front_matter
from recurzoo.zoo.cards.training import training
from recurzoo.zoo.cards.usage import fine_tuning, loading

ONE_RUN = "the figures are those of one run: another seed gives others"


def write_card(record: Record, repository: str | None = None) -> str:
    """The model card of a checkpoint.

    Args:
        record: the checkpoint's `Record`.
        repository: str, `USER/REPO` on the Hugging Face Hub, where the card is for one.

    Returns:
        Markdown text with the front matter that the Hub reads.

    Raises:
        UnknownNameError: if the record's architecture is not the zoo's; a ValueError.
    """
    paper = catalog.families()[catalog.architecture(record.architecture).family].paper
    title = f"[{paper.title}]({paper.url})" if paper.url else paper.title
    made = ", ".join(filter(None, [" and ".join(paper.authors), str(paper.year)]))
    sections = {
        "Load": loading(record, repository),
        "Fine-tune": fine_tuning(record, repository),
        "Measured": measured(record),
        "Facts": facts(_facts(record)),
        "Training": training(record),
        "Limits": _limits(record),
        "Licences": _licences(record),
        "What the paper reports for this architecture": _figures(catalog.figures(record.architecture)),
        "Citation": f"```bibtex\n{paper.bibtex.strip()}\n```",
    }
    parts = [
        front_matter(record),
        f"# {line(record.name)}",
        f"`{record.architecture}` from {title} ({made}), a model of recurzoo, the Keras zoo of recurrent and "
        "weight-shared vision models.",
        *(f"## {heading}\n\n{text}" for heading, text in sections.items() if text),
    ]
    return "\n\n".join(parts) + "\n"


def _facts(record: Record) -> dict[str, Any]:
    return {
        "parameters": f"{record.parameters:,}",
        "sharing of kernels": record.sharing,
        "classes": classes_in_words(record.class_names),
        **others_in_words(record.metrics, record.baseline),
        "files": ", ".join(f"{name} ({file.bytes:,} bytes)" for name, file in record.files.items()),
    }


def _limits(record: Record) -> str:
    data = dataset_title(record)
    examples = data if is_about_paths(record) else f"the test images of {data}"
    measured = f"Measured on {examples}, and on nothing else" if data else "No data set is recorded"
    lines = [measured if scores(record.metrics) else "No score has been measured"]
    if is_about_paths(record):
        lines[0] += "; made to study sharing, not to find ways"
    elif record.class_names:
        lines.append(
            f"it knows {len(record.class_names)} classes, and gives one of them to an image of anything else as well; "
            "its logits are not calibrated"
        )
    if size := record.recipe.get("image_size"):
        cells = "cells" if is_about_paths(record) else "pixels"
        lines.append(f"it was trained at {size}x{size} {cells}, and other sizes are untested")
    if record.seed is not None and scores(record.metrics):
        lines.append(ONE_RUN)
    return bullets(lines)


def _licences(record: Record) -> str:
    lines = [f"Weights: {record.licence or 'not stated'}"]
    if data := record.dataset:
        known = catalog.dataset_facts(data.name)
        lines.append(f"data set, {data.name}: {data.licence or 'not stated'}{f' ({known.url})' if known else ''}")
    return bullets(lines)


def _figures(figures: tuple[Figure, ...]) -> str:
    if not figures:
        return ""
    rows = []
    for figure in figures:
        errors = ", ".join(f"{data} {error}" for data, error in figure.errors.items())
        rows.append((figure.source, figure.training_in_words, errors))
    return table(("where", "training", "test error %"), rows)
