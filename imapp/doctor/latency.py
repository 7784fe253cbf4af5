"""Measurement of a response time: the minimum of some requests, because concurrent checks slow each other down."""

import time
from collections.abc import Callable

_TIMES = 5


def minimum_ms(ask: Callable[[], object]) -> float:
    """Call `ask` some times; return the shortest time in milliseconds."""
    times = []
    for _ in range(_TIMES):
        began = time.monotonic()
        ask()
        times.append(1000 * (time.monotonic() - began))
    return min(times)
