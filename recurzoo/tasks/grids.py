"""Shortest paths between two cells of a grid with obstacles (Savarese & Maire, 2019, section 4.4)."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

PHASES = 5
OBSTACLE_RATE = 0.1
# Grids searched at once: their arrays stay in the processor's cache.
CHUNK = 256


class Grids(NamedTuple):
    """Examples.

    Attributes:
        images: uint8 array `(grids, size, size, 2)` of 0 and 255, as the pixels of all images here are 0..255: the two
            query cells, and the obstacles.
        targets: bool array `(grids, size, size)`, whether a cell lies on a shortest path; the query cells do.
    """

    images: np.ndarray
    targets: np.ndarray


def generate_grids(count: int, phase: int, rng: np.random.Generator, size: int = 32) -> Grids:
    """Draw examples of one phase of the curriculum.

    One query cell is uniform over the grid, the other over the cells of the grid that are at most `2 * phase` rows and
    columns away from it, itself left out. Every other cell is an obstacle with probability 0.1. Moves go to the four
    neighbours. A grid whose query cells are not connected is drawn anew.

    Args:
        count: int, how many grids.
        phase: int, 1 to 5 in the paper.
        rng: a NumPy generator.
        size: int, height and width.

    Returns:
        `Grids`.

    Raises:
        ValueError: if an argument is not positive, or the grid has but one cell.

    Example:
        >>> images, targets = generate_grids(5000, phase=1, rng=np.random.default_rng(0))
    """
    if count < 1 or phase < 1 or size < 2:
        raise ValueError(
            "Grids have at least two cells a side, and phases count from 1. "
            f"Received: count={count}, phase={phase}, size={size}"
        )
    parts: list[Grids] = []
    while (missing := count - sum(len(part.targets) for part in parts)) > 0:
        parts.append(_draw(min(missing, CHUNK), phase, rng, size))
    return Grids(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _draw(count: int, phase: int, rng: np.random.Generator, size: int) -> Grids:
    """Draw grids and keep the connected ones."""
    first = rng.integers(0, size, (count, 2))
    second = first
    while (same := (first == second).all(axis=1, keepdims=True)).any():
        nearby = rng.integers(np.maximum(first - 2 * phase, 0), np.minimum(first + 2 * phase, size - 1) + 1)
        second = np.where(same, nearby, second)
    queries = np.zeros((count, size, size), bool)
    for cells in (first, second):
        queries[np.arange(count), cells[:, 0], cells[:, 1]] = True
    obstacles = (rng.random((count, size, size)) < OBSTACLE_RATE) & ~queries

    there, back = distances(~obstacles, first, second), distances(~obstacles, second, first)
    between = there[np.arange(count), second[:, 0], second[:, 1]]
    # Cells that the search has not come to are farther away than the other query cell.
    targets = (there >= 0) & (back >= 0) & (there + back == between[:, None, None])
    images = np.stack([queries, obstacles], axis=-1) * np.uint8(255)
    connected = between >= 0
    return Grids(images[connected], targets[connected])


def distances(free: np.ndarray, start: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Breadth-first search over a batch of grids at once, as far as the last of the goals.

    Args:
        free: bool array `(grids, height, width)`, the cells that can be walked on.
        start: int array `(grids, 2)`, row and column.
        goal: int array `(grids, 2)`.

    Returns:
        An int16 array `(grids, height, width)`: steps from the start, -1 where the search has not come, which is
        nowhere nearer than the goal.
    """
    count, height, width = free.shape
    # With walls around them the grids can lie in one row: a step over an edge, of a grid too, ends in a wall.
    open_cells = np.pad(free, ((0, 0), (1, 1), (1, 1))).reshape(-1)

    def address(cells: np.ndarray) -> np.ndarray:
        return (np.arange(count) * (height + 2) + cells[:, 0] + 1) * (width + 2) + cells[:, 1] + 1

    goals = address(goal)
    frontier = np.zeros_like(open_cells)
    frontier[address(start)] = True
    reached = np.full(open_cells.shape, -1, "int16")
    step = 0
    while True:
        reached[frontier] = step
        open_cells &= ~frontier
        if not open_cells[goals].any():
            break
        neighbours = np.zeros_like(frontier)
        for shift in (1, width + 2):
            neighbours[shift:] |= frontier[:-shift]
            neighbours[:-shift] |= frontier[shift:]
        frontier = neighbours & open_cells
        if not frontier.any():
            break
        step += 1
    return reached.reshape(count, height + 2, width + 2)[:, 1:-1, 1:-1]


def f1_scores(logits: np.ndarray, grids: Grids) -> dict[Literal["f1", "f1_without_queries"], float]:
    """Score answers at threshold 0.5, all cells of all grids counted together.

    Args:
        logits: array `(grids, size, size, 1)`.
        grids: `Grids`.

    Returns:
        A dictionary: `f1`, and `f1_without_queries`, which leaves out the query cells. Copying these from the input
        scores high in the first phase and has nothing to do with paths.
    """
    answers = np.asarray(logits)[..., 0] > 0
    inner = grids.images[..., 0] == 0
    return {
        "f1": f1(answers, grids.targets),
        "f1_without_queries": f1(answers[inner], grids.targets[inner]),
    }


def f1(answers: np.ndarray, targets: np.ndarray) -> float:
    """The F1 of answers, both arrays of bools of one shape."""
    both = int(np.sum(answers & targets))
    marked = int(answers.sum()) + int(targets.sum())
    # Nothing to find and nothing found is a perfect answer.
    return 2 * both / marked if marked else 1.0
