"""What the interpreter and the event loop are busy with: lag, greenlets, pauses of the garbage collector.

Watched in the process that serves only; ten timers a second, and a few instructions for each greenlet and collection.
"""

import gc
import time
from typing import Any

from gevent import Greenlet, get_hub, monkey

from imapp import metrics

#: Seconds between two looks at the event loop: work that takes longer than this is always seen.
_LOOK_SECONDS = 0.1

#: Seconds of a window of which the worst lag is kept.
_WINDOW_SECONDS = 15.0


class LoopWatch:
    """A timer, and how late it is called."""

    def __init__(self, loop: Any) -> None:
        # After all other work of the same turn: its whole length is to be seen.
        self._timer = loop.timer(_LOOK_SECONDS, _LOOK_SECONDS, priority=loop.MINPRI)
        self._due = 0.0
        self._worst = [0.0, 0.0]
        self._window_ends = time.monotonic() + _WINDOW_SECONDS

    def start(self) -> None:
        """Look for ever."""
        self._due = time.monotonic() + _LOOK_SECONDS
        self._timer.start(self._look, update=True)

    def _look(self) -> None:
        now = time.monotonic()
        lag = max(0.0, now - self._due)
        metrics.LOOP_LAG.observe(lag)
        if now > self._window_ends:
            self._worst = [0.0, self._worst[0]]
            self._window_ends = now + _WINDOW_SECONDS
        self._worst[0] = max(self._worst[0], lag)
        self._due = now + _LOOK_SECONDS
        self._timer.again(self._look, update=True)

    def worst(self) -> float:
        """The worst lag of this window and the one before."""
        return max(self._worst)


class Greenlets:
    """Those under way; gevent tells when one begins, and each when it has ended."""

    def __init__(self) -> None:
        self.count = 0

    def began(self, greenlet: Any) -> None:
        """One begins."""
        self.count += 1
        greenlet.rawlink(self._ended)

    def _ended(self, _greenlet: Any) -> None:
        self.count -= 1


class CollectorWatch:
    """Times the garbage collector."""

    def __init__(self) -> None:
        self._began = 0.0

    def note(self, phase: str, info: dict[str, int]) -> None:
        """Called by the collector before and after each collection."""
        if phase == "start":
            self._began = time.perf_counter()
        else:
            metrics.GC_PAUSES[info["generation"]].observe(time.perf_counter() - self._began)


def watch() -> None:
    """Begin; once, in the process that serves, before it starts its own greenlets."""
    gc.callbacks.append(CollectorWatch().note)
    if not monkey.is_module_patched("threading"):
        return  # tests within the process have neither loop nor greenlets
    loop, greenlets = LoopWatch(get_hub().loop), Greenlets()
    metrics.LOOP_LAG_MAX.set_function(loop.worst)
    metrics.GREENLETS.set_function(lambda: greenlets.count)
    Greenlet.add_spawn_callback(greenlets.began)
    loop.start()
