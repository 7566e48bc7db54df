"""A model's banks replaced by others: another model of the same layers, with other sharing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from recurzoo.layers import Stage
from recurzoo.layers.shared import SharedLayer
from recurzoo.rewriting.graph import array_of, copy_operation, copy_state, is_rebuilt, names_of, operations, rebuild

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
    sharing = {
        name: tuple(
            bank.sharing if replacement is None else replacement.sharing
            for bank, replacement in zip(layer.banks, plan[name], strict=True)
        )
        for name, layer in banked_layers(model).items()
        if name in plan
    }

    def copy_with_sharing(operation: Any, name: str) -> Any:
        changes = {"sharing": _serialized(sharing[name])} if name in sharing else {}
        return copy_operation(operation, name, **changes)

    if is_rebuilt(model):
        rebuilt, copies = rebuild(model, copy_with_sharing)
    else:
        rebuilt = model.with_architecture(sharing={**(model.architecture.get("sharing") or {}), **sharing})
        copies = [(layer, rebuilt.get_layer(layer.name)) for layer in model.layers]
    values = {}
    for name, layer in banked_layers(rebuilt).items():
        for bank, replacement in zip(layer.banks, plan.get(name, ()), strict=False):
            weights = {} if replacement is None else replacement._asdict()
            values.update({id(getattr(bank, key)): value for key, value in weights.items() if key != "sharing"})
    for layer, copy in copies:
        if not isinstance(layer, keras.Layer):
            continue
        if not any(id(weight) in values for weight in copy.weights):
            copy_state(layer, copy)
            continue
        if copy.trainable != layer.trainable:
            copy.trainable = layer.trainable
        before = {weight.path: weight for weight in layer.weights}
        for weight in copy.weights:
            weight.assign(values[id(weight)] if id(weight) in values else array_of(before[weight.path]))
    return rebuilt


def _serialized(sharings: tuple[Any, ...]) -> Any:
    items = [keras.saving.serialize_keras_object(sharing) for sharing in sharings]
    return items[0] if len(items) == 1 else items
