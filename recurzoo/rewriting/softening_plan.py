"""Which kernels of a model could share templates, what that would cost and save, and how many templates to take."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Literal

import keras
import numpy as np
from keras import ops
from rich.console import Group as Lines
from rich.console import RenderableType
from rich.table import Table

from recurzoo.base.records import FrozenModel, Report
from recurzoo.rewriting.banks import banked_layers
from recurzoo.rewriting.graph import is_rebuilt, names_of, operations
from recurzoo.rewriting.templates import Method
from recurzoo.sharing import KernelBank

Templates = int | Literal["all"] | Mapping[str, int]
KINDS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)


@dataclasses.dataclass
class Candidates:
    """Kernels that could share templates: of layers of one kernel shape and role, or of a bank.

    Attributes:
        name: of the group.
        kind: what the kernels are in, such as `"Conv2D"`.
        members: names of the layers; of a bank, its slots' numbers.
        owner: the layers; or the name of a layer with banks, and the bank's number among them.
        most: int, how many templates give back the kernels as they are.
        parameters: int, of the kernels as they are.
        kernels: gives the array `(slots, ...)`.
    """

    name: str
    kind: str
    members: tuple[str, ...]
    owner: Any
    most: int
    parameters: int
    kernel_shape: tuple[int, ...]
    kernels: Callable[[], np.ndarray]

    def cost(self, templates: int | None) -> int:
        """Parameters with so many templates; None for the kernels as they are."""
        if templates is None:
            return self.parameters
        return templates * (math.prod(self.kernel_shape) + len(self.members))


class GroupReport(FrozenModel):
    """What softening does to one group.

    Attributes:
        name: str.
        kind: str, what the kernels are in.
        kernel_shape: tuple of ints.
        members: names of the layers; of a bank, its slots' numbers.
        templates: int, how many there are; None where the kernels stay as they are.
        errors: the root mean square of the kernels' relative errors, by 1, 2, ... templates.
        parameters_before, parameters_after: of the kernels.
    """

    name: str
    kind: str
    kernel_shape: tuple[int, ...]
    members: tuple[str, ...]
    templates: int | None
    errors: tuple[float, ...]
    parameters_before: int
    parameters_after: int

    @property
    def error(self) -> float:
        """With the templates that there are."""
        return 0.0 if self.templates is None else self.errors[self.templates - 1]


class SofteningReport(Report):
    """What softening does to a model, or would do.

    Attributes:
        method: str, how templates are found.
        parameters_before, parameters_after: trainable parameters of the model, each counted once.
        groups: a `GroupReport` for each group of kernels that could share.
        left_out: by a layer's name, why it is in no group though others have kernels like its.
    """

    method: str
    parameters_before: int
    parameters_after: int
    groups: tuple[GroupReport, ...]
    left_out: dict[str, str]

    def __rich__(self) -> RenderableType:
        saved = self.parameters_before - self.parameters_after
        table = Table(title_justify="left")
        for column in ("group", "kernels", "templates", "parameters", "after", "error", "error by templates"):
            table.add_column(column, overflow="fold")
        table.title = (
            f"{self.parameters_before:,} parameters, {self.parameters_after:,} after ({self.method}; "
            f"{saved / max(self.parameters_before, 1):.1%} saved)"
        )
        for group in self.groups:
            table.add_row(
                group.name,
                str(len(group.members)),
                "as they are" if group.templates is None else str(group.templates),
                f"{group.parameters_before:,}",
                f"{group.parameters_after:,}",
                f"{group.error:.3f}",
                " ".join(f"{error:.3f}" for error in group.errors),
            )
        return Lines(table, *(f"{name} stays as it is: {reason}" for name, reason in self.left_out.items()))


def find_candidates(model: keras.Model, exclude: Sequence[str]) -> tuple[list[Candidates], dict[str, str]]:
    """The groups of a model, and the layers that are in none, with the reasons.

    Args:
        model: a functional or sequential model; of a family's, only the banks of its stages can change.
        exclude: patterns of the names of layers and groups that stay as they are.
    """
    groups, left_out = _of_layers(model, exclude) if is_rebuilt(model) else ([], {})
    groups = [group for group in (*_of_banks(model), *groups) if not _matches(group.name, exclude)]
    return groups, left_out


def _of_banks(model: keras.Model) -> list[Candidates]:
    return [
        Candidates(
            f"{name}/{bank.name}",
            type(bank).__name__,
            tuple(map(str, range(bank.slots))),
            (name, number),
            bank.templates.shape[0],
            # Those of a frozen bank too.
            sum(math.prod(weight.shape) for weight in bank._trainable_variables),
            bank.kernel_shape,
            partial(_kernels_of_bank, bank),
        )
        for name, layer in banked_layers(model).items()
        for number, bank in enumerate(layer.banks)
        if bank.templates.shape[0] > 1
    ]


def _kernels_of_bank(bank: KernelBank) -> np.ndarray:
    return ops.convert_to_numpy(bank.kernels())


def _kernels_of_layers(layers: Sequence[Any]) -> np.ndarray:
    return np.stack([ops.convert_to_numpy(layer.kernel) for layer in layers])


def _of_layers(model: keras.Model, exclude: Sequence[str]) -> tuple[list[Candidates], dict[str, str]]:
    names = names_of(model)
    alike: dict[tuple[Any, ...], list[Any]] = {}
    odd: dict[tuple[Any, ...], dict[str, str]] = {}
    for layer in operations(model):
        if type(layer) in KINDS:
            name = names[id(layer)]
            reason = "it was excluded" if _matches(name, exclude) else _obstacle(layer)
            if reason is None:
                alike.setdefault(_role(layer), []).append(layer)
            else:
                odd.setdefault(_role(layer), {})[name] = reason
    groups: list[Candidates] = []
    for role, layers in alike.items():
        if len(layers) > 1:
            name, number = _group_name(role), 1
            while name in {*names.values(), *(group.name for group in groups)}:
                number += 1
                name = f"{_group_name(role)}_{number}"
            groups.append(_of_role(name, layers, names))
    left_out = {
        name: reason
        for role, others in odd.items()
        if len(others) + len(alike.get(role, ())) > 1
        for name, reason in others.items()
    }
    return groups, left_out


def _of_role(name: str, layers: list[Any], names: dict[int, str]) -> Candidates:
    shape = tuple(layers[0].kernel.shape)
    return Candidates(
        name,
        type(layers[0]).__name__,
        tuple(names[id(layer)] for layer in layers),
        layers,
        len(layers),
        len(layers) * math.prod(shape),
        shape,
        partial(_kernels_of_layers, layers),
    )


def kernel_regularizer(layer: Any) -> Any:
    """That of a layer of one of `KINDS`."""
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    return layer.depthwise_regularizer if depthwise else layer.kernel_regularizer


def _role(layer: Any) -> tuple[Any, ...]:
    """Layers of equal roles may share a bank; strides, padding, dilation, bias and activation stay each layer's own."""
    regularizer = keras.regularizers.serialize(kernel_regularizer(layer))
    return (
        type(layer).__name__,
        tuple(layer.kernel.shape),
        getattr(layer, "groups", 1),
        layer.dtype_policy.name,
        layer.trainable,
        json.dumps(regularizer, sort_keys=True, default=repr),
    )


def _obstacle(layer: Any) -> str | None:
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    if (layer.depthwise_constraint if depthwise else layer.kernel_constraint) is not None:
        return "its kernel has a constraint"
    if getattr(layer, "lora_enabled", False):
        return "it has LoRA weights"
    if layer.quantization_mode is not None:
        return "it is quantized"
    return None


def _group_name(role: tuple[Any, ...]) -> str:
    kind, shape = role[0], role[1]
    return f"shared_{kind.lower()}_{'x'.join(map(str, shape))}"


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def choose(
    groups: Sequence[Candidates],
    errors: Mapping[str, tuple[float, ...]],
    templates: Templates | None,
    budget: int | None,
    fixed: int,
) -> dict[str, int]:
    """How many templates each group gets, by its name; groups that stay as they are are not in it.

    Args:
        groups: those of the model.
        errors: of each, by the number of templates.
        templates: int, for each group with at least so many kernels to find; `"all"` for as many as there are to find;
            or a dict from pattern to number for the groups whose names match.
        budget: int, the most parameters that the model may have.
        fixed: int, the model's parameters outside the groups.

    Raises:
        ValueError: if no group takes so many templates, or the budget is too small.
    """
    if budget is not None:
        if templates is not None:
            raise ValueError(
                "A budget finds the numbers of templates. "
                f"Received: templates={templates!r} and budget={budget}; give one of them"
            )
        return _within(groups, errors, budget, fixed)
    sizes = {group.name: group.most for group in groups}
    if templates is None:
        return {}
    if templates == "all":
        chosen = sizes
    elif isinstance(templates, Mapping):
        chosen = _by_pattern(sizes, templates)
    else:
        whole = isinstance(templates, (int, np.integer))
        chosen = {name: int(templates) for name, size in sizes.items() if whole and size >= templates}
    if not chosen or not all(isinstance(k, int) and 1 <= k <= sizes[name] for name, k in chosen.items()):
        raise ValueError(
            f"A group has between one template and one a kernel. Received: templates={templates!r} for groups of "
            f"{', '.join(f'{size} ({name})' for name, size in sizes.items())}"
        )
    return chosen


def _by_pattern(sizes: Mapping[str, int], templates: Mapping[str, int]) -> dict[str, int]:
    if idle := [pattern for pattern in templates if not any(fnmatchcase(name, pattern) for name in sizes)]:
        raise ValueError(f"No group has this name. Received: {', '.join(idle)}; the groups are {', '.join(sizes)}")
    return {name: k for name in sizes for pattern, k in templates.items() if fnmatchcase(name, pattern)}


def _within(
    groups: Sequence[Candidates], errors: Mapping[str, tuple[float, ...]], budget: int, fixed: int
) -> dict[str, int]:
    """From one template a group on, spend where a parameter mends most of the squared error."""

    def squares(group: Candidates, templates: int | None) -> float:
        return 0.0 if templates is None else len(group.members) * errors[group.name][templates - 1] ** 2

    def cheaper(group: Candidates, templates: int) -> int | None:
        """So many templates, or the kernels as they are where templates would save nothing."""
        return templates if templates < group.most and group.cost(templates) < group.cost(None) else None

    chosen = {group.name: cheaper(group, 1) for group in groups}
    left = budget - fixed - sum(group.cost(chosen[group.name]) for group in groups)
    if left < 0:
        raise ValueError(f"With one template a group there are {budget - left} parameters. Received: budget={budget}")
    while True:
        steps = []
        for group in groups:
            now = chosen[group.name]
            if now is not None:
                then = cheaper(group, now + 1)
                price = group.cost(then) - group.cost(now)
                if price <= left:
                    steps.append(((squares(group, now) - squares(group, then)) / price, price, group.name, then))
        if not steps:
            return {name: k for name, k in chosen.items() if k is not None}
        _, price, name, then = max(steps, key=lambda step: step[0])
        chosen[name], left = then, left - price


def report(
    groups: Sequence[Candidates],
    errors: Mapping[str, tuple[float, ...]],
    left_out: dict[str, str],
    chosen: Mapping[str, int],
    method: Method,
    fixed: int,
) -> SofteningReport:
    """Say what softening does, or would do."""
    reports = tuple(
        GroupReport(
            name=group.name,
            kind=group.kind,
            kernel_shape=group.kernel_shape,
            members=group.members,
            templates=chosen.get(group.name),
            errors=errors[group.name],
            parameters_before=group.parameters,
            parameters_after=group.cost(chosen.get(group.name)),
        )
        for group in groups
    )
    return SofteningReport(
        method=method,
        parameters_before=fixed + sum(group.parameters_before for group in reports),
        parameters_after=fixed + sum(group.parameters_after for group in reports),
        groups=reports,
        left_out=left_out,
    )
