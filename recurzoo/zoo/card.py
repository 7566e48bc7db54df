"""Model cards: the template `card.md.jinja`, filled from a checkpoint's record and the catalog."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recurzoo.base.documents import markdown_templates, printable
from recurzoo.base.errors import UnknownNameError
from recurzoo.catalog import catalog
from recurzoo.catalog.facts import Paper
from recurzoo.catalog.recipe import Recipe
from recurzoo.checkpoints.folder import KERAS_FILES
from recurzoo.checkpoints.record import Record
from recurzoo.tasks.words import classes_in_words, dataset_title, measured_on, tabulate, words_of

if TYPE_CHECKING:
    from markupsafe import Markup

MADE = {
    "fold": "Folded from",
    "soften": "Softened from",
    "grow": "Grown, and then trained, from",
    "init": "Trained from the weights of",
    "quantize": "Quantized from",
}
# The Hub's identifiers of licenses that weights are published under; others are named in words.
HUB_LICENSES = (
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
# What stands elsewhere in a card, or has no part in what comes out.
NOT_SETTINGS = {"name", "architecture", "dataset", "epochs", "precision", "license", "data_license", "logger"}
# Values of settings that do nothing.
OFF: tuple[Any, ...] = (None, False, 0, "", [], {})
NEUTRAL = {"steps_per_execution": 1, "accumulate": 1}


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
    from markupsafe import Markup

    family = catalog.families()[catalog.architecture(record.architecture).family]
    published = None if repository is None else _published(record.name)
    # A bare name finds only what ships, or what the catalog says is published.
    by_name = repository is None or (published is not None and published.repo == repository)
    address = _quote(f"hf://{repository}")
    pinned = f"{_quote(f'hf://{repository}@REVISION')} for a branch, a tag or a commit"
    templates = markdown_templates(Path(__file__).parent, finalize=_escape)
    return templates.get_template("card.md.jinja").render(
        record=record,
        task=words_of(record),
        front_matter=Markup(_front_matter(record)),
        paper=Markup(_cite(family.paper)),
        made=None if record.parent is None else MADE[record.parent.action],
        parent=None if record.parent is None else _published(record.parent.checkpoint),
        opens_in_keras=set(KERAS_FILES) <= set(record.files),
        name=_quote(record.name) if by_name else address,
        otherwise=Markup(pinned if repository else "the path of this folder"),
        address=address if repository else Markup("PATH"),
        measured_on=measured_on(record),
        tables=_score_tables(record),
        facts=_facts(_describe(record)),
        training=_facts(_describe_training(record)) if record.recipe or record.epochs else None,
        dataset=None if record.dataset is None else catalog.dataset_facts(record.dataset.name),
        figures=_figures(record.architecture),
        bibtex=Markup(family.paper.bibtex.strip()),
    )


def _front_matter(record: Record) -> str:
    """What the Hub's machines read, with the plain scores as a model index; YAML."""
    from huggingface_hub import EvalResult, ModelCardData

    task, title = words_of(record).pipeline_tag, dataset_title(record)
    facts = None if record.dataset is None else catalog.dataset_facts(record.dataset.name)
    hub_dataset = facts.hub_id if facts else None
    license = _line(record.license or "").lower()
    known = license in HUB_LICENSES
    scores = [score for score in record.scores if score.plain and score.value is not None]
    results = [
        EvalResult(
            task_type=task,
            dataset_type=hub_dataset or _line(record.dataset.name if record.dataset else "unknown"),
            dataset_name=_line(title or "not stated"),
            dataset_config=None if score.phase is None else f"phase {score.phase}",
            dataset_split=score.split,
            metric_type=score.metric,
            metric_name=score.kind,
            metric_value=score.value,
        )
        for score in scores
    ]
    parent = None if record.parent is None else _published(record.parent.checkpoint)
    quantized = parent is not None and record.parent is not None and record.parent.action == "quantize"
    family = catalog.architecture(record.architecture).family
    data = ModelCardData(
        license=license if known else "other" if license else None,
        license_name=None if known or not license else re.sub(r"[^a-z0-9.]+", "-", license).strip("-"),
        library_name="recurzoo",
        pipeline_tag=task,
        tags=["keras", "recurzoo", "weight-sharing", family, record.architecture],
        base_model=parent.repo if parent else None,
        base_model_relation="quantized" if quantized else None,
        datasets=[hub_dataset] if hub_dataset else None,
        metrics=sorted({score.metric for score in scores}) or None,
        model_name=_line(record.name),
        eval_results=results or None,
    )
    return data.to_yaml(line_break="\n").strip()


def _published(checkpoint: str) -> Any:
    """Where a checkpoint is published; None if it is not, or its name is not one of the zoo's."""
    try:
        return catalog.published(checkpoint)
    except UnknownNameError:
        return None


def _cite(paper: Paper) -> str:
    title = f"[{paper.title}]({paper.url})" if paper.url else paper.title
    return f"{title} ({', '.join(filter(None, [' and '.join(paper.authors), str(paper.year)]))})"


def _score_tables(record: Record) -> list[Markup]:
    tables = []
    for by, kinds in tabulate(record.scores).items():
        # In the order that they were found in, which is that of the numbers.
        numbers = dict.fromkeys(number for values in kinds.values() for number in values)
        rows = [[values.get(number, "") for values in kinds.values()] for number in numbers]
        if by:
            rows = [[str(number), *row] for number, row in zip(numbers, rows, strict=True)]
        tables.append(_table([*filter(None, [by]), *kinds], rows))
    return tables


def _describe(record: Record) -> dict[str, Any]:
    return {
        "parameters": f"{record.parameters:,}",
        "sharing of kernels": record.sharing,
        "classes": classes_in_words(record.class_names),
        "files": ", ".join(f"{name} ({file.bytes:,} bytes)" for name, file in record.files.items()),
    }


def _describe_training(record: Record) -> dict[str, Any]:
    recipe, seconds = record.recipe, record.training_seconds
    precisions = ", ".join(f"{count} in {name}" for name, count in record.precisions.items())
    return {
        "recipe": recipe.name if recipe else None,
        "images": record.dataset.source if record.dataset else None,
        "epochs": record.epochs,
        "epochs by precision": precisions,
        "epochs by strategy": ", ".join(
            f"{count} {name}" for name, count in record.strategies.items() if name != "none"
        ),
        **(_settings(recipe) if recipe else {}),
        "time": None if seconds is None else f"{seconds / 60:.1f} minutes",
        "hardware": record.hardware,
        "versions": ", ".join(f"{package} {version}" for package, version in record.versions.items()),
    }


def _settings(recipe: Recipe) -> dict[str, str]:
    """A recipe's settings in words, but for those that do nothing."""
    values = recipe.model_dump(mode="json", exclude=NOT_SETTINGS)
    if not (recipe.average.last and recipe.average.decay):
        del values["average"]
    if not recipe.progressive.sizes:
        del values["progressive"]
    if recipe.schedule.kind == "steps" and not recipe.schedule.epochs:
        values["schedule"] = "constant"
    if values["optimizer"].get("momentum") == 0:
        del values["optimizer"]["nesterov"]
    if catalog.architecture(recipe.architecture).arguments.get("method") != "relaxed":
        del values["pull"]
    # Of the architecture's arguments, zero and False are values like others.
    model = values.pop("model")
    shown = {name: _words(value) for name, value in values.items() if name == "seed" or not _is_off(name, value)}
    shown["model"] = ", ".join(f"{name} {_words(value)}" for name, value in model.items())
    return {name.replace("_", " "): value for name, value in shown.items()}


def _is_off(name: str, value: Any) -> bool:
    return value in OFF or NEUTRAL.get(name) == value


def _words(value: Any) -> str:
    """A setting, or a table of settings: its kind, and those that are on."""
    if isinstance(value, list):
        return "/".join(map(str, value))
    if not isinstance(value, dict):
        return str(value)
    on = {name: item for name, item in value.items() if name != "kind" and not _is_off(name, item)}
    words = [name.replace("_", " ") + ("" if item is True else f" {_words(item)}") for name, item in on.items()]
    return ", ".join(filter(None, [value.get("kind"), *words]))


def _figures(architecture: str) -> Markup | None:
    rows = [
        (figure.source, figure.training_in_words, ", ".join(f"{name} {error}" for name, error in figure.errors.items()))
        for figure in catalog.figures(architecture)
    ]
    return _table(("where", "training", "test error %"), rows) if rows else None


def _facts(rows: Mapping[str, Any]) -> Markup:
    """A table of names and values, without those that are not known."""
    return _table(("", ""), [row for row in rows.items() if row[1] not in (None, "")])


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> Markup:
    from markupsafe import Markup

    lines = [map(_escape, heads), ["---"] * len(heads), *(map(_escape, row) for row in rows)]
    return Markup("\n".join(f"| {' | '.join(line)} |" for line in lines))


def _quote(text: str) -> Markup:
    """A string of Python, which ends neither its line nor the code span that it stands in."""
    from markupsafe import Markup

    return Markup(json.dumps(text).replace("`", "\\u0060"))


def _line(text: str) -> str:
    """Text on one line."""
    return printable(" ".join(text.split()))


def _escape(value: Any) -> str:
    """A value as Markdown that shows just it, and ends nothing that it stands in; what is Markdown already stays."""
    from markupsafe import Markup

    if isinstance(value, Markup):
        return value
    # An underscore inside a word is one for Markdown too.
    return re.sub(r"[\\`*\[\]<>|&]|(?<![a-zA-Z0-9])_|_(?![a-zA-Z0-9])", r"\\\g<0>", _line(str(value)))
