"""Which kernels of a model could share templates: of layers of one kernel shape and role, and of each bank."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

import keras
import numpy as np
from keras import ops

from recurzoo.layers.tree import own_variables
from recurzoo.rewriting.banks import banked_layers
from recurzoo.rewriting.graph import is_rebuilt, names_of, operations, unused_name
from recurzoo.rewriting.softening_plan import GroupReport
from recurzoo.rewriting.templates import KernelGroup, Method
from recurzoo.sharing import KernelBank

KINDS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)
# What has the kernels of a group: layers, or a bank.
Owner = list[Any] | KernelBank


def find_groups(
    model: keras.Model, exclude: Sequence[str], method: Method, seed: int
) -> tuple[dict[str, Owner], list[GroupReport], dict[str, str]]:
    """Find the groups of a model: of a family's, only the banks of its stages can change.

    Args:
        model: a functional or sequential model.
        exclude: patterns of the names of layers and groups that stay as they are.
        method, seed: as `KernelGroup` takes them.

    Returns:
        By a group's name what has its kernels; a `GroupReport` of each, as it is; and by the name of a layer that is in
        none, though others have kernels like its, the reason.
    """
    owners: dict[str, Owner] = {
        f"{name}/{bank.name}": bank
        for name, layer in banked_layers(model).items()
        for bank in layer.banks
        if bank.templates.shape[0] > 1
    }
    names = names_of(model) if is_rebuilt(model) else {}
    left_out: dict[str, str] = {}
    for role, layers in _by_role(model) if names else ():
        reasons = [_obstacle(layer, names[id(layer)], exclude) for layer in layers]
        if len(layers) > 1:
            left_out |= {names[id(layer)]: reason for layer, reason in zip(layers, reasons, strict=True) if reason}
        alike = [layer for layer, reason in zip(layers, reasons, strict=True) if not reason]
        if len(alike) > 1:
            shape = "x".join(map(str, alike[0].kernel.shape))
            owners[unused_name(f"shared_{role[0].lower()}_{shape}", {*names.values(), *owners})] = alike
    owners = {name: owner for name, owner in owners.items() if not _matches(name, exclude)}
    reports = [_report(name, owner, names, method, seed) for name, owner in owners.items()]
    return owners, reports, left_out


def _report(name: str, owner: Owner, names: dict[int, str], method: Method, seed: int) -> GroupReport:
    """A group as it is."""
    kernels = kernels_of(owner)
    if isinstance(owner, KernelBank):
        kind, members, most = type(owner), tuple(map(str, range(owner.slots))), owner.templates.shape[0]
        # Those of a frozen bank too.
        parameters = sum(math.prod(weight.shape) for weight in own_variables(owner))
    else:
        kind, members, most = type(owner[0]), tuple(names[id(layer)] for layer in owner), len(owner)
        parameters = kernels.size
    return GroupReport(
        name=name,
        kind=kind.__name__,
        kernel_shape=kernels.shape[1:],
        members=members,
        errors=KernelGroup(kernels, method, seed).errors(most),
        parameters_before=parameters,
        parameters_after=parameters,
    )


def kernels_of(owner: Owner) -> np.ndarray:
    """The kernels of a group: array `(slots, ...)`."""
    if isinstance(owner, KernelBank):
        return ops.convert_to_numpy(owner.kernels())
    return np.stack([ops.convert_to_numpy(layer.kernel) for layer in owner])


def kernel_part(layer: Any, part: str) -> Any:
    """The `"regularizer"` or `"constraint"` of the kernel of a layer of one of `KINDS`."""
    return getattr(layer, f"{'depthwise' if isinstance(layer, keras.layers.DepthwiseConv2D) else 'kernel'}_{part}")


def _by_role(model: keras.Model) -> Iterator[tuple[tuple[Any, ...], list[Any]]]:
    """Layers that may share a bank; strides, padding, dilation, bias and activation stay each layer's own."""
    found: dict[tuple[Any, ...], list[Any]] = {}
    for layer in operations(model):
        if type(layer) in KINDS:
            regularizer = keras.regularizers.serialize(kernel_part(layer, "regularizer"))
            role = (
                type(layer).__name__,
                tuple(layer.kernel.shape),
                getattr(layer, "groups", 1),
                layer.dtype_policy.name,
                layer.trainable,
                json.dumps(regularizer, sort_keys=True, default=repr),
            )
            found.setdefault(role, []).append(layer)
    yield from found.items()


def _obstacle(layer: Any, name: str, exclude: Sequence[str]) -> str | None:
    if _matches(name, exclude):
        return "it was excluded"
    if kernel_part(layer, "constraint") is not None:
        return "its kernel has a constraint"
    if getattr(layer, "lora_enabled", False):
        return "it has LoRA weights"
    return None if layer.quantization_mode is None else "it is quantized"


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
