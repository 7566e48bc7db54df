"""What a record's class names must be of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recurzoo.checkpoints.record import Record
    from recurzoo.models import ZooModel


def check_class_names(record: Record, model: ZooModel) -> None:
    """Refuse a record that names other than one class for each output of a model's head; it may name none.

    Args:
        record: a `Record`.
        model: of the zoo.

    Raises:
        ValueError: if the numbers differ.
    """
    names, outputs = len(record.class_names), model.output_shape[-1]
    if names and model.architecture.get("include_top", True) and names != outputs:
        raise ValueError(
            f"A record names each output of its model, or none. Received: {names} class_names in {record.name!r} for "
            f"{outputs} outputs; give as many names"
        )
