"""One timer for all heartbeats and time limits.

Times are rounded up to ticks, and all items of a tick are called together. The loop is woken only for ticks that have
items. An item cannot be cancelled: when it is called, it checks whether it still has something to do.
"""

import heapq
import time
from typing import Protocol

from gevent.hub import Hub

from imapp.engine.watchers import LAST, Watcher
from imapp.logs import get_logger

log = get_logger(__name__)


class TimerItem(Protocol):
    """An item of the wheel."""

    def on_timer(self, now: float) -> None:
        """Act at the item's time; called in the event loop, so it must not block."""


class TimerWheel:
    """A timer wheel: lists of items by tick, and one timer for the next tick."""

    def __init__(self, hub: Hub, resolution: float) -> None:
        self._hub = hub
        self._timer: Watcher | None = None
        self._resolution = resolution
        self._due: dict[int, list[TimerItem]] = {}
        self._ticks: list[int] = []
        self._armed: int | None = None

    def add(self, seconds: float, item: TimerItem) -> None:
        """Call `item.on_timer` after `seconds`, or up to a tick later."""
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
        # Lower priority than sockets: data that arrived in time may not have been read yet.
        seconds = max(0.0, tick * self._resolution - time.monotonic())
        self._timer = self._hub.loop.timer(seconds, priority=LAST)
        self._timer.start(self._fire)

    def _fire(self) -> None:
        now = time.monotonic()
        self._armed = None
        while self._ticks and self._ticks[0] * self._resolution <= now:
            for item in self._due.pop(heapq.heappop(self._ticks)):
                try:
                    item.on_timer(now)
                except Exception:  # the remaining items are due, too
                    log.exception("timer_failed")
        # An item's call of `add` may have armed the timer already.
        if self._ticks and self._is_earlier(self._ticks[0]):
            self._arm(self._ticks[0])

    def _is_earlier(self, tick: int) -> bool:
        return self._armed is None or tick < self._armed
