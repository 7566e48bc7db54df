"""What a record says of a model itself: completed from the model, whatever it said before, and compared with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from recurzoo.base.environment import describe_versions
from recurzoo.catalog.names import name_of, parse
from recurzoo.checkpoints.record import Record

if TYPE_CHECKING:
    import keras

    from recurzoo.models import ZooModel


def complete(record: Record | Mapping[str, Any] | None, model: keras.Model, name: str) -> Record:
    """A record of a model, with the model's own facts.

    Args:
        record: a `Record`, a mapping of its fields, or None for one of the model and the versions in use.
        model: a model of the zoo.
        name: str, of the checkpoint that gets a new record.

    Returns:
        A `Record` with the parameters and the sharing of this model.

    Raises:
        ValueError: if the model is not of the zoo, or the record is not well-formed, of another architecture or names
            other than one class for each output.
    """
    from recurzoo.families.base import check_zoo_model
    from recurzoo.families.counting import count_parameters

    check_zoo_model(model)
    architecture = name_of(type(model).__name__, model.architecture)
    if architecture is None:
        raise ValueError(f"The zoo has no name for this architecture. Received: {model.architecture}")
    if record is None:
        record = Record(name=name, architecture=architecture, versions=describe_versions())
    elif not isinstance(record, Record):
        record = Record.from_dict(record)
    if record.architecture != architecture:
        raise ValueError(
            f"This model is a {architecture}, and a record is of its model. Received: one of a {record.architecture}"
        )
    check_class_names(record, model)
    changed = model.architecture.get("sharing") or {}
    sharing = parse(architecture).sharing
    if changed:
        soft = any(_is_soft(bank) for stage in changed.values() for bank in _banks(stage))
        sharing = f"{'soft' if soft else 'hard'}: {sharing_in_words(changed)}"
    return record.replace(parameters=count_parameters(model), sharing=sharing)


def check_class_names(record: Record, model: ZooModel) -> None:
    """Refuse a record that names other than one class for each output of a model's head; it may name none.

    Raises:
        ValueError: if the numbers differ.
    """
    names, outputs = len(record.class_names), model.output_shape[-1]
    if names and model.architecture.get("include_top", True) and names != outputs:
        raise ValueError(
            f"A record names each output of its model, or none. Received: {names} class_names in {record.name!r} for "
            f"{outputs} outputs; give as many names"
        )


def sharing_in_words(changed: Mapping[str, Any]) -> str:
    """How the stages of a folded model share their kernels, equal banks and stages named once.

    Args:
        changed: dict from a stage's name to its `Sharing`, or a tuple of one a bank.

    Returns:
        Words, empty without stages.

    Example:
        >>> sharing_in_words({"level_1": (tied(3), tied(3)), "level_2": (tied(3), tied(3))})
        'level_1 and level_2 each have 2 times 1 kernel for 3 convolutions'
    """
    stages: dict[str, list[str]] = {}
    for stage, sharing in changed.items():
        counts = Counter(map(_bank_in_words, _banks(sharing)))
        words = " and ".join(bank if count == 1 else f"{count} times {bank}" for bank, count in counts.items())
        stages.setdefault(words, []).append(stage)
    return "; ".join(
        f"{names[0]} has {words}" if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]} each have {words}"
        for words, names in stages.items()
    )


def _banks(sharing: Any) -> Sequence[Any]:
    """The `Sharing` of each bank of a stage."""
    return sharing if isinstance(sharing, (tuple, list)) else (sharing,)


def _is_soft(sharing: Any) -> bool:
    return hasattr(sharing, "num_templates")


def _bank_in_words(sharing: Any) -> str:
    if _is_soft(sharing):
        return _count(sharing.num_templates, "template")
    # Folding may leave a bank as it was, whose sharing has no table of kernels.
    if not hasattr(sharing, "index"):
        return str(sharing)
    return f"{_count(max(sharing.index) + 1, 'kernel')} for {_count(len(sharing.index), 'convolution')}"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
