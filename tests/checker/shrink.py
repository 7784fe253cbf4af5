"""Makes a failing cycle small: halves, then quarters, of its operations and faults are left out while it still fails.

Delta debugging (Zeller and Hildebrandt, 2002). Real faults do not fail each time, so a smaller cycle counts as holding
only after `tries` runs, and what is left out for good is never more than what failed once.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from tests.checker.plan import Cycle

#: Tells whether a cycle fails.
Fails = Callable[[Cycle], bool]


class _Budget:
    """Runs that are left."""

    def __init__(self, fails: Fails, runs: int, tries: int) -> None:
        self._fails = fails
        self._tries = tries
        self.left = runs

    def fails(self, cycle: Cycle) -> bool:
        """Whether it fails in one of the tries; without a run left it does not."""
        for _ in range(self._tries):
            if not self.left:
                return False
            self.left -= 1
            if self._fails(cycle):
                return True
        return False


def shrink(cycle: Cycle, fails: Fails, runs: int, tries: int = 1) -> Cycle:
    """The smallest cycle that was found to fail within so many runs: a part of `cycle`, or `cycle` itself."""
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
