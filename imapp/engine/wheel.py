"""One timer for all heartbeats and time limits.

Times are rounded up to ticks; what is due in the same tick is called together. The loop is woken only for ticks in
which something is due. There is no cancelling: who is called looks whether it still matters.
"""

import heapq
import time
from typing import Any, Protocol

from imapp.logs import get_logger

log = get_logger(__name__)


class Timed(Protocol):
    """Who can be called when its time has come."""

    def on_time(self, now: float) -> None:
        """Called in the event loop: must not block."""


class Wheel:
    """See the module."""

    def __init__(self, loop: Any, resolution: float) -> None:
        self._loop = loop
        self._timer: Any = None
        self._resolution = resolution
        self._due: dict[int, list[Timed]] = {}
        self._ticks: list[int] = []
        self._armed: int | None = None

    def add(self, seconds: float, item: Timed) -> None:
        """Call `item.on_time` after so many seconds, or up to a tick later."""
        tick = int((time.monotonic() + seconds) / self._resolution) + 1
        bucket = self._due.get(tick)
        if bucket is not None:
            bucket.append(item)
            return
        self._due[tick] = [item]
        heapq.heappush(self._ticks, tick)
        if self._is_earlier(tick):
            self._arm(tick)

    def _arm(self, tick: int) -> None:
        if self._timer is not None:
            self._timer.close()
        self._armed = tick
        # After the sockets: what has come in time may have waited for this process.
        seconds = max(0.0, tick * self._resolution - time.monotonic())
        self._timer = self._loop.timer(seconds, priority=self._loop.MINPRI)
        self._timer.start(self._fire)

    def _fire(self) -> None:
        now = time.monotonic()
        self._armed = None
        while self._ticks and self._ticks[0] * self._resolution <= now:
            for item in self._due.pop(heapq.heappop(self._ticks)):
                try:
                    item.on_time(now)
                except Exception:  # the others' time has come, too
                    log.exception("timer_failed")
        # Whoever was called may have armed it for what it added.
        if self._ticks and self._is_earlier(self._ticks[0]):
            self._arm(self._ticks[0])

    def _is_earlier(self, tick: int) -> bool:
        return self._armed is None or tick < self._armed
