"""Which transitions run when, in a graph of states that is updated all at once (Liao & Poggio, 2016, section 3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Edge = tuple[int, int]
Schedule = tuple[tuple[Edge, ...], ...]
# Edges, and for how many updates they are allowed.
Stretches = tuple[tuple[tuple[Edge, ...], int], ...]
# Many times what networks have; a schedule may come from a file.
MOST_STATES = 16
MOST_TRANSITIONS = 200_000


def full_edges(states: int) -> tuple[Edge, ...]:
    """Transitions between all states, each to itself included: the paper's fully recurrent graph."""
    return tuple((i, j) for i in range(states) for j in range(states))


def adjacent_edges(states: int) -> tuple[Edge, ...]:
    """Transitions from each state to itself and to its neighbours: no bypass connections."""
    return tuple(edge for edge in full_edges(states) if abs(edge[0] - edge[1]) <= 1)


def resnet_schedule(repeats: Sequence[int]) -> Stretches:
    """The schedule that makes a graph a multi-stage ResNet: one edge at a time (figure 2 C).

    Args:
        repeats: for each state how often it is updated from itself before the next state takes over.

    Returns:
        For each stretch of time its one edge and the number of updates.

    Raises:
        ValueError: if there is no state, or a number is negative.
    """
    if not repeats or min(repeats) < 0:
        raise ValueError(f"Each state is updated zero or more times. Received: repeats={tuple(repeats)}")
    stretches = []
    for state, count in enumerate(repeats):
        if state:
            stretches.append((((state - 1, state),), 1))
        if count:
            stretches.append((((state, state),), count))
    return tuple(stretches)


def fit_schedule(schedule: Sequence[Any], states: int, updates: int) -> tuple[Any, ...]:
    """A schedule whose first number is such that it takes a number of updates.

    Args:
        schedule: pairs of edges and a number of updates, or one number a state, what `resnet_schedule` takes.
        states: int, how many there are.
        updates: int, how many there are to be.

    Returns:
        A schedule of the same form.

    Raises:
        ValueError: if what comes after the first number takes all updates, or more.
    """
    if not all(isinstance(count, int) for count in schedule):
        first = updates - sum(count for _, count in schedule[1:])
        fitted: tuple[Any, ...] = ((schedule[0][0], first), *schedule[1:])
    elif len(schedule) == states:
        first = updates - sum(schedule[1:]) - (states - 1)
        fitted = (first, *schedule[1:])
    else:
        raise ValueError(f"A ResNet of {states} states has a number for each. Received: schedule={tuple(schedule)}")
    if first < 1:
        raise ValueError(
            f"This schedule takes at least {updates - first + 1} updates before the readout. Received: {updates}"
        )
    return fitted


def allowed_edges(
    states: int, edges: str | Sequence[Sequence[int]], schedule: Sequence[Any] | None, updates: int
) -> Schedule:
    """The edges allowed at each update.

    Args:
        states: int, how many there are.
        edges: `"full"`, `"adjacent"`, or pairs `(i, j)`.
        schedule: in place of the same `edges` always, what `fit_schedule` takes.
        updates: int, how many there are.

    Returns:
        For each update its edges.

    Raises:
        ValueError: if a word is unknown, or there are too few updates, or more states and updates than is reasonable.
    """
    if updates < 1:
        raise ValueError(f"There is at least one update before the readout. Received: {updates} updates")
    if states > MOST_STATES:
        raise ValueError(f"There are at most {MOST_STATES} states. Received: {states}")
    stretches: Sequence[Any]
    if schedule is not None:
        stretches = fit_schedule(schedule, states, updates)
        if isinstance(stretches[0], int):
            stretches = resnet_schedule(stretches)
    elif edges in ("full", "adjacent"):
        stretches = [((full_edges if edges == "full" else adjacent_edges)(states), updates)]
    elif isinstance(edges, str):
        raise ValueError(f'Edges are "full", "adjacent" or pairs of states. Received: edges={edges!r}')
    else:
        stretches = [(edges, updates)]
    if (count := sum(len(pairs) * times for pairs, times in stretches)) > MOST_TRANSITIONS:
        raise ValueError(f"There are at most {MOST_TRANSITIONS} transitions in all updates. Received: {count}")
    return tuple(tuple((int(i), int(j)) for i, j in pairs) for pairs, count in stretches for _ in range(count))


def active_updates(
    schedule: Iterable[Iterable[Sequence[int]]], states: int, sequential: bool = False
) -> dict[Edge, tuple[int, ...]]:
    """The updates at which each transition runs: where its source is populated and something reaches the readout.

    Args:
        schedule: for each update the edges `(i, j)` that are allowed.
        states: int, how many states there are; the last one is read out.
        sequential: bool, whether the first state receives an input before each update, and the last one is read out
            after each; otherwise before the first and after the last update only.

    Returns:
        For each edge that runs at all, in order, the numbers of its updates, counted from 0.

    Raises:
        ValueError: if the schedule is empty, names states that are not there, or leaves the readout empty.
    """
    steps = [tuple((int(i), int(j)) for i, j in edges) for edges in schedule]
    unknown = sorted({edge for edges in steps for edge in edges if not all(0 <= state < states for state in edge)})
    if not steps or unknown:
        raise ValueError(
            f"A schedule has at least one update, of edges between states 0 to {states - 1}. "
            f"Received: {len(steps)} updates, unknown edges {unknown}"
        )
    populated = {0}
    last = states - 1
    running: list[list[Edge]] = []
    for step, allowed in enumerate(steps, start=1):
        populated |= {0} if sequential else set()
        running.append([edge for edge in allowed if edge[0] in populated])
        populated = {j for _, j in running[-1]}
        if last not in populated and (sequential or step == len(steps)):
            raise ValueError(
                f"Nothing reaches the last of {states} states within {step} updates, when it is read out. "
                f"Received: updates={len(steps)}; read out later, or allow more edges"
            )
    wanted = {last}
    for edges in reversed(running):
        edges[:] = [edge for edge in edges if edge[1] in wanted]
        wanted = {i for i, _ in edges} | ({last} if sequential else set())
    found: dict[Edge, list[int]] = {}
    for step, edges in enumerate(running):
        for edge in set(edges):
            found.setdefault(edge, []).append(step)
    return {edge: tuple(found[edge]) for edge in sorted(found)}
