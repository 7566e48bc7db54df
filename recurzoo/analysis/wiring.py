"""Which layers use which kernels, drawn: the stages of a network, a graph of states, and the loops of a fold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from recurzoo.analysis.plots import COLORS, WIDTH, Picture
from recurzoo.analysis.subject import to_numpy
from recurzoo.layers import Stage, StateGraph
from recurzoo.models import ZooModel
from recurzoo.sharing import HardBank, KernelBank, SoftBank

# A layer's or a kernel's size, where they stand 1 apart.
RADIUS = 0.28
# A row of stages has at most so many layers; then the next one begins.
LAYERS_IN_A_ROW = 20


def wiring(model: ZooModel) -> Picture:
    """Draw how a network shares its kernels.

    Layers stand in the order in which they run, and below them the kernels that they use, a color a bank. Where kernels
    are mixed, the wider a line, the larger the coefficient. A graph of states is drawn as states and transitions, each
    with the number of updates at which its kernels are used.

    Args:
        model: a network of the zoo, or any other with stages.

    Returns:
        A `Picture`.

    Raises:
        ValueError: if no stage has more than one layer.

    Example:
        >>> from recurzoo.analysis.wiring import wiring
        >>> wiring(recurzoo.load("rc-4-w16")).save("wiring.svg")
    """
    graphs = [layer for layer in model.layers if isinstance(layer, StateGraph)]
    if graphs:
        return Picture(lambda figure: _draw_graph(figure, graphs[0]))
    stages = [stage for stage in model.stages if any(bank.slots > 1 for bank in stage.banks)]
    if not stages:
        raise ValueError(f"Layers can share kernels in a stage of several steps. Received: {model.name!r}, has none")
    return Picture(lambda figure: _draw_stages(figure, stages))


def mixture(bank: KernelBank) -> np.ndarray:
    """How much of each stored kernel a slot uses: an array `(slots, kernels)`."""
    if isinstance(bank, SoftBank):
        return to_numpy(bank.coefficients)
    if isinstance(bank, HardBank):
        scale = np.ones(bank.slots) if bank.scale is None else to_numpy(bank.scale)
        return np.eye(max(bank.sharing.index) + 1)[list(bank.sharing.index)] * scale[:, None]
    # A relaxed bank has a kernel a slot until it is consolidated.
    return np.eye(bank.slots)


def _draw_stages(figure: Any, stages: Sequence[Stage]) -> None:
    rows: list[list[Stage]] = [[]]
    for stage in stages:
        if rows[-1] and sum(map(_count_layers, (*rows[-1], stage))) > LAYERS_IN_A_ROW:
            rows.append([])
        rows[-1].append(stage)
    longest = max(sum(_count_layers(stage) + 1 for stage in row) for row in rows)
    figure.set_size_inches(WIDTH, len(rows) * min(2.2, max(1.3, 3.4 * WIDTH / longest)))
    for part, row in zip(np.atleast_1d(figure.subfigures(len(rows), 1)), rows, strict=True):
        lengths = [_count_layers(stage) + 1 for stage in row]
        # What is left of the row stays empty, so that layers are of one size in all of them.
        rest = [longest - sum(lengths)] if longest > sum(lengths) else []
        grid = part.subplots(1, len(row) + len(rest), width_ratios=[*lengths, *rest], squeeze=False)[0]
        for axes in grid:
            axes.set_axis_off()
        for axes, stage in zip(grid, row, strict=False):
            draw_stage(axes, stage)


def _count_layers(stage: Stage) -> int:
    return stage.steps * len(stage.convolutions)


def draw_stage(axes: Any, stage: Stage) -> None:
    """Draw the layers of a stage, and below them the kernels that they use.

    Args:
        axes: Matplotlib axes.
        stage: a built `Stage`.
    """
    from matplotlib.patches import Circle, FancyBboxPatch

    served = [stage.slot_of(site, step) for step in range(stage.steps) for site in stage.convolutions]
    banks = list({id(bank): bank for bank, _ in served}.values())
    # Of each stored kernel: its color, and how much of it each layer uses.
    kernels = [
        (COLORS[number % len(COLORS)], [column[slot] if own is bank else 0.0 for own, slot in served])
        for number, bank in enumerate(banks)
        for column in mixture(bank).T
    ]
    places = _spread([np.average(range(len(served)), weights=np.abs(use) + 1e-9) for _, use in kernels], len(served))
    largest = max(np.abs(use).max() for _, use in kernels)
    for x, (color, use) in zip(places, kernels, strict=True):
        for layer, amount in enumerate(np.abs(use) / largest):
            if amount > 0.1:
                axes.plot([layer, x], [1.6, 0], color=color, linewidth=1.6 * amount**2, zorder=1)
        axes.add_patch(Circle((x, 0), RADIUS, facecolor=color, edgecolor="none", zorder=2))
    for layer in range(len(served)):
        box = (layer - RADIUS, 1.6 - RADIUS), 2 * RADIUS, 2 * RADIUS
        axes.add_patch(
            FancyBboxPatch(*box, boxstyle="round,pad=0,rounding_size=0.1", facecolor="white", edgecolor="black")
        )
        axes.text(layer, 1.6, str(layer + 1), ha="center", va="center", fontsize=6, zorder=4)
    for layer in range(len(served) - 1):
        _arrow(axes, (layer + RADIUS, 1.6), (layer + 1 - RADIUS, 1.6), size=4)
    axes.set_title(f"{stage.name}: {len(served)} layers, {len(kernels)} kernels")
    axes.set_xlim(-0.7, len(served) - 0.3)
    axes.set_ylim(-0.5, 2.1)
    axes.set_aspect("equal")


def _spread(wanted: Sequence[float], width: int) -> list[float]:
    """Places near those that are wanted which do not touch, closer to each other where a width leaves no room."""
    gap = min(1.0, (width - 1) / max(len(wanted) - 1, 1))
    places = list(wanted)
    order = sorted(range(len(places)), key=lambda number: (places[number], number))
    for before, after in pairwise(order):
        places[after] = max(places[after], places[before] + gap)
    middle = float(np.mean(places)) - float(np.mean(wanted)) if places else 0.0
    return [place - middle for place in places]


def _draw_graph(figure: Any, graph: StateGraph) -> None:
    from matplotlib.patches import Circle

    axes = figure.subplots()
    figure.set_size_inches(WIDTH, 2.4)
    distance = 3.0
    for (i, j), updates in graph.updates.items():
        color = COLORS[1] if i == j else COLORS[0] if i < j else COLORS[2]
        here, there = distance * i, distance * j
        if i == j:
            _arrow(axes, (here - 0.2, 0.5), (here + 0.2, 0.5), -2.5, color, f"{len(updates)}x", height=0.98)
        else:
            # Down in size above, up in size below; the longer a way, the wider its bow.
            side = 1 if i < j else -1
            bow = 0.2 + 0.15 * abs(i - j)
            start, end = (here + 0.45 * side, 0.25 * side), (there - 0.45 * side, 0.25 * side)
            apex = 0.25 + bow / 2 * (distance * abs(i - j) - 0.9)
            _arrow(axes, start, end, -bow, color, f"{len(updates)}x", height=side * (apex if i < j else apex + 0.32))
    for number, (size, width) in enumerate(graph.states):
        axes.add_patch(Circle((distance * number, 0), 0.5, facecolor="white", edgecolor="black", zorder=3))
        axes.text(distance * number, 0, f"{size}² x {width}", ha="center", va="center", fontsize=6, zorder=4)
    last = distance * (len(graph.states) - 1)
    _arrow(axes, (-1.4, 0), (-0.5, 0))
    _arrow(axes, (last + 0.5, 0), (last + 1.4, 0))
    axes.set_title(
        f"{len(graph.updates)} transitions, {len(graph.schedule)} updates, weights {graph.weights_over_time}"
    )
    axes.set_xlim(-1.5, last + 1.5)
    axes.set_ylim(-2.0, 2.0)
    axes.set_aspect("equal")
    axes.set_axis_off()


def draw_loops(axes: Any, index: Sequence[int]) -> None:
    """Draw how layers follow each other once those of one kernel are one: kernels in a row, numbered by the layers that
    use them, loops as arcs above, skips below; how often a way is taken, where it is more than once.

    Args:
        axes: Matplotlib axes.
        index: for each layer its kernel.
    """
    from matplotlib.patches import Circle

    count = max(index) + 1
    for (before, after), times in Counter(pairwise(index)).items():
        label = f"{times}x" if times > 1 else None
        if after == before + 1:
            _arrow(axes, (before + RADIUS, 0), (after - RADIUS, 0), 0, COLORS[0], label)
        elif after > before:
            _arrow(axes, (before, -RADIUS), (after, -RADIUS), 0.5, COLORS[2], label)
        else:
            # From right to left, or to itself.
            side = RADIUS / 2 if after == before else 0
            bend = 2.0 if after == before else min(0.9, 0.4 + 0.4 / (before - after))
            _arrow(axes, (before + side, RADIUS), (after - side, RADIUS), bend, COLORS[1], label)
    _arrow(axes, (-0.9, 0), (index[0] - RADIUS, 0), 0, COLORS[0])
    _arrow(axes, (index[-1] + RADIUS, 0), (count - 0.1, 0), 0 if index[-1] == count - 1 else -0.35, COLORS[0])
    for kernel in range(count):
        axes.add_patch(Circle((kernel, 0), RADIUS, facecolor="white", edgecolor="black", zorder=3))
        axes.text(kernel, 0, str(kernel + 1), ha="center", va="center", zorder=4)
        layers = ", ".join(str(slot + 1) for slot, used in enumerate(index) if used == kernel)
        axes.text(kernel, -RADIUS - 0.1, layers, ha="center", va="top", fontsize=6, zorder=4)
    axes.set_xlim(-1, count)
    axes.set_ylim(-1.2, 1.6)
    axes.set_aspect("equal")
    axes.set_axis_off()


def _arrow(
    axes: Any,
    start: tuple[float, float],
    end: tuple[float, float],
    bend: float = 0,
    color: str = "black",
    label: str | None = None,
    height: float | None = None,
    size: int = 8,
) -> None:
    """An arrow, and above its bow what is written on it."""
    from matplotlib.patches import FancyArrowPatch

    style: dict[str, Any] = {"connectionstyle": f"arc3,rad={bend}", "arrowstyle": "-|>", "mutation_scale": size}
    axes.add_patch(FancyArrowPatch(start, end, color=color, shrinkA=0, shrinkB=0, **style))
    if label:
        if height is None:
            height = (start[1] + end[1]) / 2 + abs(end[0] - start[0]) * bend / 2
        axes.text((start[0] + end[0]) / 2, height, label, ha="center", va="bottom", color=color, fontsize=7)
