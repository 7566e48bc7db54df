"""A model's banks replaced by others: another model of the same layers, with other sharing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from recurzoo.layers import Stage
from recurzoo.layers.shared import SharedLayer
from recurzoo.rewriting.graph import copy_operation, copy_state, is_rebuilt, names_of, operations, rebuild
from recurzoo.sharing import KernelBank

# For each layer that has banks, what becomes of each: a sharing and its bank's weights by their names, as a `Fold` has
# them, or None to keep the bank.
Plan = Mapping[str, tuple[Any, ...]]


def banked_layers(model: keras.Model) -> dict[str, Stage | SharedLayer]:
    """The layers of a model that have banks, by name.

    Raises:
        ValueError: if it is no functional or sequential model.
    """
    if not isinstance(model, (keras.Function, keras.Sequential)):
        raise ValueError(f"Only functional models have banks to replace. Received: {type(model).__name__}")
    if not is_rebuilt(model):
        return {stage.name: stage for stage in model.stages}
    names = names_of(model)
    return {names[id(layer)]: layer for layer in operations(model) if isinstance(layer, (Stage, SharedLayer))}


def replace_banks(model: keras.Model, plan: Plan) -> keras.Model:
    """Build a model with other banks, and copy every other weight.

    Args:
        model: of the zoo, or any functional or sequential one, left as it is.
        plan: by the names of `banked_layers`; layers that are not in it keep their banks.

    Returns:
        A new, uncompiled model.
    """
    layers = banked_layers(model)
    sharing = {
        name: tuple(
            old.sharing if new is None else new.sharing for old, new in zip(layers[name].banks, news, strict=True)
        )
        for name, news in plan.items()
    }

    def copy_with_sharing(operation: Any, name: str) -> Any:
        changes = {"sharing": _serialized(sharing[name])} if name in sharing else {}
        return copy_operation(operation, name, **changes)

    if is_rebuilt(model):
        rebuilt, copies = rebuild(model, copy_with_sharing)
    else:
        rebuilt = model.with_architecture(sharing={**(model.architecture.get("sharing") or {}), **sharing})
        copies = [(layer, rebuilt.get_layer(layer.name)) for layer in model.layers]
        if lost := sorted(_kept_paths(model, plan) ^ _kept_paths(rebuilt, plan)):
            raise ValueError(
                "What a model was given since it was made could not be carried over; rewrite it before, and give it "
                f"that afterwards. Received: {model.name!r}, whose {', '.join(lost)} would be lost or new"
            )
    for layer, copy in copies:
        if isinstance(layer, keras.Layer):
            copy_state(layer, copy)
    for name, layer in banked_layers(rebuilt).items():
        for bank, replacement in zip(layer.banks, plan.get(name, ()), strict=False):
            if replacement is not None:
                fill(bank, replacement)
    return rebuilt


def _kept_paths(model: keras.Model, plan: Plan) -> set[str]:
    """The paths of all weights but those of banks that may be replaced."""
    banks = [bank for name, layer in banked_layers(model).items() if name in plan for bank in layer.banks]
    return {weight.path for weight in model.weights} - {weight.path for bank in banks for weight in bank.weights}


def fill(bank: KernelBank, replacement: Any) -> None:
    """Give a bank the weights that a `Fold` or the like has for it."""
    for name, value in replacement._asdict().items():
        if name != "sharing" and value is not None:
            getattr(bank, name).assign(value)


def _serialized(sharings: tuple[Any, ...]) -> Any:
    items = [keras.saving.serialize_keras_object(sharing) for sharing in sharings]
    return items[0] if len(items) == 1 else items
