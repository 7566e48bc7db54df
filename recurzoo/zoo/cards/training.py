"""A model card's account of the training: of a recipe's settings, those that were in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recurzoo.catalog import catalog
from recurzoo.checkpoints.record import Record
from recurzoo.zoo.cards.markdown import facts

# What each kind of optimizer, schedule and pull reads of its table, as `recurzoo.training` runs it. A recipe holds the
# rest too, at their defaults.
READ: dict[str, dict[str, Sequence[str]]] = {
    "optimizer": {
        "sgd": ("learning_rate", "momentum", "nesterov", "weight_decay", "clip_value"),
        "adam": ("learning_rate", "clip_value"),
    },
    "schedule": {"steps": ("epochs", "factor"), "linear": ("warmup",), "cosine": ("warmup",)},
    "pull": {"exponential": ("start", "end"), "success": ("start", "end", "factor", "bound")},
}
# Off, in every table but that of the architecture's own arguments.
OFF: tuple[Any, ...] = (None, False, 0, "", [])


def training(record: Record) -> str:
    """How a checkpoint was trained.

    Args:
        record: the checkpoint's `Record`, with any recipe: one from elsewhere, or from another time, may lack settings
            and hold others.

    Returns:
        Markdown text, empty if the checkpoint was not trained by a recipe.
    """
    if record.recipe_name is None and record.epochs is None:
        return ""
    recipe, data = record.recipe, record.dataset
    minutes = None if record.training_seconds is None else f"{record.training_seconds / 60:.1f} minutes"
    rows = {
        "folded": _words(recipe.get("folded")),
        "recipe": record.recipe_name,
        "images": ", ".join(filter(None, [data.source, data.note])) if data else None,
        "image size": recipe.get("image_size"),
        "epochs": record.epochs,
        "batch size": recipe.get("batch_size"),
        "model": _words(recipe.get("model"), off=()),
        "optimizer": _optimizer(recipe.get("optimizer")),
        "schedule": _schedule(recipe.get("schedule")),
        "augmentation": _words(recipe.get("augmentation")),
        "label smoothing": recipe.get("label_smoothing") or None,
        "average": _average(recipe.get("average")),
        "pull": _pull(record),
        "curriculum": _words(recipe.get("curriculum")),
        "baseline": record.baseline,
        "precision": recipe.get("precision"),
        "seed": record.seed,
        "time": minutes,
        "hardware": record.hardware,
        "versions": ", ".join(f"{package} {version}" for package, version in record.versions.items()),
    }
    again = ""
    if record.recipe_name in catalog.recipe_names(record.architecture):
        again = f"\n\nTo train it again: `recurzoo train {record.recipe_name} --data DATA --out DIR`."
    return facts(rows) + again


def _optimizer(settings: Any) -> str | None:
    if isinstance(settings, Mapping) and settings.get("momentum") == 0:
        settings = {**settings, "nesterov": False}
    return _of_kind("optimizer", "sgd", settings)


def _schedule(settings: Any) -> str | None:
    constant = isinstance(settings, Mapping) and settings.get("kind") in (None, "steps") and not settings.get("epochs")
    return "constant" if constant else _of_kind("schedule", "steps", settings)


def _average(settings: Any) -> str | None:
    taken = isinstance(settings, Mapping) and settings.get("last") and settings.get("decay") != 0
    return _words(settings) if taken else None


def _pull(record: Record) -> str | None:
    relaxed = catalog.architecture(record.architecture).arguments.get("method") == "relaxed"
    return _of_kind("pull", "exponential", record.recipe.get("pull")) if relaxed else None


def _of_kind(table: str, default: str, settings: Any) -> str | None:
    """A table's kind, and those of its settings that this kind reads; all where the kind is not known."""
    if not isinstance(settings, Mapping):
        return None
    kind = str(settings.get("kind") or default)
    read = READ[table].get(kind, [key for key in settings if key != "kind"])
    return ", ".join(filter(None, [kind, _words({key: settings.get(key) for key in read})]))


def _words(settings: Any, off: tuple[Any, ...] = OFF) -> str | None:
    """Settings in a line, without those that are off."""
    if not isinstance(settings, Mapping):
        return None
    told = []
    for key, value in settings.items():
        if value not in off:
            name = str(key).replace("_", " ")
            text = "/".join(map(str, value)) if isinstance(value, list) else str(value)
            told.append(name if value is True else f"{name} {text}")
    return ", ".join(told)
