"""Model cards, written from a checkpoint's record and the catalog."""

from __future__ import annotations

import json
from typing import Any

from recurzoo.registry import catalog
from recurzoo.registry.spec import Figure, Record


def write_card(record: Record) -> str:
    """The model card of a checkpoint.

    Args:
        record: the checkpoint's `Record`.

    Returns:
        Markdown text with the front matter that the Hugging Face Hub reads.

    Raises:
        UnknownNameError: if the record's architecture is not the zoo's; a ValueError.
    """
    paper = catalog.families()[catalog.architecture(record.architecture).family].paper
    title = f"[{paper.title}]({paper.url})" if paper.url else paper.title
    made = ", ".join(filter(None, [" and ".join(paper.authors), str(paper.year)]))
    parts = [
        _front_matter(record),
        f"# {record.name}",
        f"`{record.architecture}` from {title} ({made}), a model of recurzoo.",
        _use(record),
        "## Facts\n\n" + _table(_facts(record)),
        _training(record),
        _figures(catalog.figures(record.architecture)),
        f"## Paper\n\n```bibtex\n{paper.bibtex.strip()}\n```",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(record: Record) -> str:
    fields: dict[str, Any] = {
        "license": record.licence.lower() if record.licence else "unknown",
        "library_name": "keras",
        "pipeline_tag": "image-classification",
        "tags": ["recurzoo", record.architecture],
    }
    if record.dataset is not None:
        fields["datasets"] = [record.dataset.name]
    # JSON is YAML too.
    return "\n".join(["---", *(f"{key}: {json.dumps(value)}" for key, value in fields.items()), "---"])


def _use(record: Record) -> str:
    lines = [
        "```python",
        "import recurzoo",
        "",
        f'model = recurzoo.load("{record.name}")  # or the path of this folder',
        "logits = model.predict(images)  # (batch, height, width, channels), pixels in 0-255",
        "```",
        "",
        "Core Keras opens this folder too, with `keras.saving.load_model`, after `import recurzoo.models`.",
    ]
    return "\n".join(lines)


def _facts(record: Record) -> dict[str, Any]:
    facts: dict[str, Any] = {"parameters": f"{record.parameters:,}", "sharing of kernels": record.sharing}
    if data := record.dataset:
        facts |= {"data": data.name, "read from": data.source, "data, note": data.note}
        facts["licence of the data"] = data.licence or "not stated"
    facts["licence of the weights"] = record.licence or "not stated"
    facts["classes"] = ", ".join(record.class_names) if len(record.class_names) <= 20 else str(len(record.class_names))
    facts |= {key.replace("_", " "): _number(key, value) for key, value in record.metrics.items()}
    return facts


def _training(record: Record) -> str:
    minutes = None if record.training_seconds is None else f"{record.training_seconds / 60:.1f} minutes"
    run = {
        "recipe": record.recipe_name,
        "epochs": record.epochs,
        "seed": record.seed,
        "time": minutes,
        "hardware": record.hardware,
        "versions": ", ".join(f"{package} {version}" for package, version in record.versions.items()),
    }
    if record.recipe_name is None and record.epochs is None:
        return ""
    return "## Training\n\n" + _table(run)


def _figures(figures: tuple[Figure, ...]) -> str:
    if not figures:
        return ""
    lines = [
        "## What the paper reports for this architecture",
        "",
        "| where | training | test error % |",
        "|---|---|---|",
    ]
    for figure in figures:
        runs = f", mean of {figure.runs} runs" if figure.runs else ""
        errors = ", ".join(f"{data} {error}" for data, error in figure.errors.items())
        lines.append(f"| {figure.source} | {figure.training}{runs} | {errors} |")
    return "\n".join(lines)


def _table(rows: dict[str, Any]) -> str:
    lines = [f"| {key} | {str(value).replace('|', '/')} |" for key, value in rows.items() if value not in (None, "")]
    return "\n".join(["| | |", "|---|---|", *lines])


def _number(key: str, value: Any) -> Any:
    if isinstance(value, float):
        return f"{100 * value:.2f}%" if key.endswith("accuracy") else f"{value:.4g}"
    return value
