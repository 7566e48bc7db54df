"""Finds what repeats in a row of steps."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple


class Loop(NamedTuple):
    """`period` steps from `start` on, run `repeats` times."""

    start: int
    period: int
    repeats: int

    @property
    def stop(self) -> int:
        return self.start + self.period * self.repeats


def find_loops(steps: Sequence[Hashable]) -> list[Loop]:
    """Cover a row of steps by loops: where a pattern of period p repeats m times, it is one loop.

    From left to right, at each step the loop that saves most steps, `p * (m - 1)`, is taken; of equals the shortest
    period. A step that begins no repetition is a loop of one step run once.

    Args:
        steps: what each step is; equal steps do the same.

    Returns:
        Loops in order; together they cover every step once.
    """
    loops = []
    start = 0
    while start < len(steps):
        best = Loop(start, 1, 1)
        for period in range(1, (len(steps) - start) // 2 + 1):
            pattern = steps[start : start + period]
            repeats = 1
            while steps[start + repeats * period : start + (repeats + 1) * period] == pattern:
                repeats += 1
            if period * (repeats - 1) > best.period * (best.repeats - 1):
                best = Loop(start, period, repeats)
        loops.append(best)
        start = best.stop
    return loops
