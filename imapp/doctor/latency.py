"""How long an answer takes. The least of some: the doctor's own checks run at the same time and disturb each other."""

import time
from collections.abc import Callable

_TIMES = 5


def least_ms(ask: Callable[[], object]) -> float:
    """Ask some times; gives milliseconds."""
    return min(_once(ask) for _ in range(_TIMES))


def _once(ask: Callable[[], object]) -> float:
    began = time.monotonic()
    ask()
    return 1000 * (time.monotonic() - began)
