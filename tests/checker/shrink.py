"""Shrinks a failing cycle: removes halves, then quarters and so on of its operations and faults while it still fails.

Delta debugging (Zeller and Hildebrandt, 2002). Real faults do not fail each time, so a smaller cycle counts as holding
only after `tries` runs. A part is removed for good only if the cycle without it has failed at least once.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from tests.checker.plan import Cycle

#: Returns whether a cycle fails.
Fails = Callable[[Cycle], bool]


class _Budget:
    """Runs a cycle several times, within a limit on the total number of runs."""

    def __init__(self, fails: Fails, runs: int, tries: int) -> None:
        self._fails = fails
        self._tries = tries
        self.left = runs

    def fails(self, cycle: Cycle) -> bool:
        """Return whether the cycle fails in one of the tries; False if no run is left."""
        for _ in range(self._tries):
            if not self.left:
                return False
            self.left -= 1
            if self._fails(cycle):
                return True
        return False


def shrink(cycle: Cycle, fails: Fails, runs: int, tries: int = 1) -> Cycle:
    """Return the smallest failing cycle found within `runs` runs: a part of `cycle`, or `cycle` itself."""
    budget = _Budget(fails, runs, tries)
    cycle = replace(cycle, faults=_smaller(cycle.faults, lambda some: budget.fails(replace(cycle, faults=some))))
    return replace(cycle, ops=_smaller(cycle.ops, lambda some: budget.fails(replace(cycle, ops=some))))


def _smaller(parts: tuple[Any, ...], fails: Callable[[tuple[Any, ...]], bool]) -> tuple[Any, ...]:
    pieces = 2
    while len(parts) > 1:
        size = -(-len(parts) // pieces)
        without = [parts[:start] + parts[start + size :] for start in range(0, len(parts), size)]
        found = _first(without, fails)
        if found is not None:
            parts = found
            pieces = max(2, pieces - 1)
        elif size == 1:
            break
        else:
            pieces = min(len(parts), pieces * 2)
    return parts


def _first(candidates: Sequence[tuple[Any, ...]], fails: Callable[[tuple[Any, ...]], bool]) -> tuple[Any, ...] | None:
    return next((one for one in candidates if fails(one)), None)
