"""Greenlets for what came in: few, and kept.

Work that does not block runs in one greenlet, one piece after the other, without a new greenlet for each. When a piece
blocks (the database), another greenlet goes on with the others. One session has at most one piece under way, so what
it sent is handled in order. After some milliseconds the event loop gets its turn, so that sockets are read and
heartbeats sent while much is to do.
"""

import time
from collections import deque
from typing import Any, Protocol

from gevent import get_hub, getcurrent, spawn_raw

from imapp.logs import get_logger

log = get_logger(__name__)

#: Seconds of work until the event loop gets its turn.
_SLICE_SECONDS = 0.004


class Worked(Protocol):
    """Who has work."""

    def turn(self) -> bool:
        """Do a bounded piece of it; gives whether there is more."""


class Turns:
    """The work that waits, and up to `limit` greenlets for it."""

    def __init__(self, limit: int) -> None:
        self._hub: Any = get_hub()
        self._limit = limit
        self._ready: deque[Worked] = deque()
        self._idle: list[Any] = []
        self._hired = 0
        self._is_armed = False
        self._is_slice_over = False

    @property
    def waiting(self) -> int:
        """How many wait for a greenlet."""
        return len(self._ready)

    def add(self, work: Worked) -> None:
        """Have this done soon; `work` must not be added again before its turn says that there is no more."""
        self._ready.append(work)
        if not self._is_armed:
            self._is_armed = True
            self._hub.loop.run_callback(self._run)

    def _run(self) -> None:
        """In the event loop: let greenlets work until nothing is left or the slice is over."""
        self._is_armed = self._is_slice_over = False
        while self._ready and not self._is_slice_over:
            if self._idle:
                self._idle.pop().switch()
            elif self._hired < self._limit:
                self._hired += 1
                spawn_raw(self._work)
                # It begins after this; then it shows whether one is enough.
                self._is_armed = True
                self._hub.loop.run_callback(self._run)
                return
            else:
                return  # the first that is done goes on

    def _work(self) -> None:
        while True:
            self._work_a_slice()
            self._idle.append(getcurrent())
            self._hub.switch()

    def _work_a_slice(self) -> None:
        end = time.monotonic() + _SLICE_SECONDS
        ready = self._ready
        while ready:
            work = ready.popleft()
            try:
                if work.turn():
                    ready.append(work)
            except Exception:
                log.exception("turn_failed")
            if time.monotonic() > end:
                break
        if ready:
            self._is_slice_over = True
            self._go_on_later()

    def _go_on_later(self) -> None:
        """After the loop has looked at the sockets; a callback would come before that."""
        if not self._is_armed:
            self._is_armed = True
            timer = self._hub.loop.timer(0)
            timer.start(self._run)
            self._timer = timer
