"""What softening would do to a model's groups of kernels: what each number of templates costs and loses, and which to
take.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from numbers import Integral
from typing import Literal

from rich.console import Group, RenderableType
from rich.table import Table

from recurzoo.base.records import FrozenModel, Report

Templates = int | Literal["all"] | Mapping[str, int]


class GroupReport(FrozenModel):
    """What softening does to the kernels of one group: of layers of one kernel shape and role, or of a bank.

    Attributes:
        name: str.
        kind: str, what the kernels are in, such as `"Conv2D"`.
        kernel_shape: tuple of ints.
        members: names of the layers; of a bank, its slots' numbers.
        errors: the root mean square of the kernels' relative errors, by 1, 2, ... templates.
        parameters_before, parameters_after: of the kernels.
        templates: int, how many there are; None where the kernels stay as they are.
    """

    name: str
    kind: str
    kernel_shape: tuple[int, ...]
    members: tuple[str, ...]
    errors: tuple[float, ...]
    parameters_before: int
    parameters_after: int
    templates: int | None = None

    @property
    def error(self) -> float:
        """With the templates that there are."""
        return self.error_with(self.templates)

    def error_with(self, templates: int | None) -> float:
        """The error with so many templates; with None the kernels stay as they are."""
        return 0.0 if templates is None else self.errors[templates - 1]

    def cost(self, templates: int | None) -> int:
        """The parameters with so many templates and their coefficients."""
        if templates is None:
            return self.parameters_before
        return templates * (math.prod(self.kernel_shape) + len(self.members))

    def with_templates(self, templates: int | None) -> GroupReport:
        """The same group, with so many templates."""
        return self.replace(templates=templates, parameters_after=self.cost(templates))


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
        saved = 1 - self.parameters_after / max(self.parameters_before, 1)
        table = Table(
            title=f"{self.parameters_before:,} parameters, {self.parameters_after:,} after ({self.method}; "
            f"{saved:.1%} saved)",
            title_justify="left",
        )
        for column in ("group", "kernels", "templates", "parameters", "after", "error", "error by templates"):
            table.add_column(column, overflow="fold")
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
        return Group(table, *(f"{name} stays as it is: {reason}" for name, reason in self.left_out.items()))


def choose(
    groups: Sequence[GroupReport], templates: Templates | None, budget: int | None, fixed: int
) -> tuple[GroupReport, ...]:
    """Give groups their numbers of templates.

    Args:
        groups: those of the model, as they are.
        templates: int, for each group with at least so many kernels to find; `"all"` for as many as there are to find;
            a dict from pattern to number for the groups whose names match; or None.
        budget: int, the most parameters that the model may have; or None.
        fixed: int, the model's parameters outside the groups.

    Raises:
        ValueError: if no group takes so many templates, the budget is too small, or there are both.
    """
    if budget is not None and templates is not None:
        raise ValueError(
            "A budget finds the numbers of templates. "
            f"Received: templates={templates!r} and budget={budget}; give one of them"
        )
    chosen: Mapping[str, int | None] = {}
    if budget is not None:
        chosen = _within(groups, budget, fixed)
    elif isinstance(templates, Mapping):
        chosen = _by_pattern([group.name for group in groups], templates)
    elif templates == "all":
        chosen = {group.name: len(group.errors) for group in groups}
    elif isinstance(templates, Integral):
        chosen = {group.name: int(templates) for group in groups if len(group.errors) >= templates}
    valid = all(
        isinstance(k, int) and 1 <= k <= len(group.errors)
        for group in groups
        if (k := chosen.get(group.name)) is not None
    )
    if not valid or (templates is not None and not chosen):
        sizes = ", ".join(f"{len(group.errors)} ({group.name})" for group in groups)
        raise ValueError(
            f"A group has one template to one a kernel. Received: templates={templates!r} for groups of {sizes}"
        )
    return tuple(group.with_templates(chosen.get(group.name)) for group in groups)


def _by_pattern(names: Sequence[str], templates: Mapping[str, int]) -> dict[str, int]:
    if idle := [pattern for pattern in templates if not any(fnmatchcase(name, pattern) for name in names)]:
        raise ValueError(f"No group has this name. Received: {', '.join(idle)}; the groups are {', '.join(names)}")
    return {name: k for name in names for pattern, k in templates.items() if fnmatchcase(name, pattern)}


def _within(groups: Sequence[GroupReport], budget: int, fixed: int) -> dict[str, int | None]:
    """From one template a group on, spend where a parameter mends most of the squared error."""

    def cheaper(group: GroupReport, templates: int) -> int | None:
        """So many templates, or the kernels as they are where templates would save nothing."""
        saves = templates < len(group.errors) and group.cost(templates) < group.parameters_before
        return templates if saves else None

    def worth(step: tuple[GroupReport, int | None, int | None]) -> float:
        group, now, then = step
        mended = len(group.members) * (group.error_with(now) ** 2 - group.error_with(then) ** 2)
        return mended / (group.cost(then) - group.cost(now))

    chosen = {group.name: cheaper(group, 1) for group in groups}
    while True:
        left = budget - fixed - sum(group.cost(chosen[group.name]) for group in groups)
        if left < 0:
            raise ValueError(
                f"With one template a group there are {budget - left} parameters. Received: budget={budget}"
            )
        steps = [(group, now, cheaper(group, now + 1)) for group in groups if (now := chosen[group.name]) is not None]
        steps = [(group, now, then) for group, now, then in steps if group.cost(then) - group.cost(now) <= left]
        if not steps:
            return chosen
        group, _, then = max(steps, key=worth)
        chosen[group.name] = then
