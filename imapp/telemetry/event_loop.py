"""Metrics of the interpreter and the event loop: lag, greenlets, pauses of the garbage collector.

They are measured only in the serving process. The cost is ten timers per second, and a few instructions for each
greenlet and each collection.
"""

import gc
import time
from typing import Any

from gevent import Greenlet, get_hub, monkey

from imapp.telemetry import metrics

#: Seconds between two measurements of the event loop's lag: work that takes longer than this is always noticed.
_INTERVAL_SECONDS = 0.1

#: Seconds of a window; the worst lag of the current window and of the one before is kept.
_WINDOW_SECONDS = 15.0


class LoopWatch:
    """A timer that measures how late the event loop calls it."""

    def __init__(self, loop: Any) -> None:
        # Lowest priority: called after all other work of the same turn, so that the whole turn is measured.
        self._timer = loop.timer(_INTERVAL_SECONDS, _INTERVAL_SECONDS, priority=loop.MINPRI)
        self._due = 0.0
        self._worst = [0.0, 0.0]
        self._window_ends = time.monotonic() + _WINDOW_SECONDS

    def start(self) -> None:
        """Start measuring; it never stops."""
        self._due = time.monotonic() + _INTERVAL_SECONDS
        self._timer.start(self._measure, update=True)

    def _measure(self) -> None:
        now = time.monotonic()
        lag = max(0.0, now - self._due)
        metrics.LOOP_LAG.observe(lag)
        if now > self._window_ends:
            self._worst = [0.0, self._worst[0]]
            self._window_ends = now + _WINDOW_SECONDS
        self._worst[0] = max(self._worst[0], lag)
        self._due = now + _INTERVAL_SECONDS
        self._timer.again(self._measure, update=True)

    def worst(self) -> float:
        """Return the worst lag, in seconds, of the current window and the one before."""
        return max(self._worst)


class Greenlets:
    """The number of living greenlets; gevent calls back when one starts, and each one when it has ended."""

    def __init__(self) -> None:
        self.count = 0

    def began(self, greenlet: "Greenlet[..., object]") -> None:
        """Count a started greenlet."""
        self.count += 1
        greenlet.rawlink(self._ended)

    def _ended(self, _greenlet: "Greenlet[..., object]") -> None:
        self.count -= 1


class CollectorWatch:
    """Measures the pauses of the garbage collector."""

    def __init__(self) -> None:
        self._began = 0.0

    def note(self, phase: str, info: dict[str, int]) -> None:
        """Measure a collection; the collector calls this before and after each one."""
        if phase == "start":
            self._began = time.perf_counter()
        else:
            metrics.GC_PAUSES[info["generation"]].observe(time.perf_counter() - self._began)


def watch() -> None:
    """Start measuring: call this once, in the serving process, before it starts its own greenlets."""
    gc.callbacks.append(CollectorWatch().note)
    if not monkey.is_module_patched("threading"):
        return  # in-process tests have neither loop nor greenlets
    loop, greenlets = LoopWatch(get_hub().loop), Greenlets()
    metrics.LOOP_LAG_MAX.set_function(loop.worst)
    metrics.GREENLETS.set_function(lambda: greenlets.count)
    Greenlet.add_spawn_callback(greenlets.began)
    loop.start()
