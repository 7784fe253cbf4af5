"""A pool of reused greenlets that handle incoming messages.

Work that does not block runs in one greenlet, piece by piece, without a new greenlet for each piece. When a piece
blocks (on the database), another greenlet continues with the remaining work. A session has at most one piece in
progress, so its messages are handled in order. After some milliseconds of work the event loop gets its turn, so that
sockets are read and heartbeats sent under load.
"""

import time
from collections import deque
from typing import Any, Protocol

from gevent import get_hub, getcurrent, spawn_raw

from imapp.logs import get_logger

log = get_logger(__name__)

#: Seconds of work after which the event loop gets its turn.
_SLICE_SECONDS = 0.004


class Worked(Protocol):
    """An object with work to do: a session with messages."""

    def turn(self) -> bool:
        """Do a bounded piece of the work; return whether there is more."""


class GreenletPool:
    """A queue of waiting work, and up to `limit` greenlets for it."""

    def __init__(self, limit: int) -> None:
        self._hub: Any = get_hub()
        self._limit = limit
        self._ready: deque[Worked] = deque()
        self._idle: list[Any] = []
        self._greenlets = 0
        self._is_armed = False
        self._is_slice_over = False

    @property
    def waiting(self) -> int:
        """Return the number of sessions that wait for a greenlet."""
        return len(self._ready)

    def add(self, work: Worked) -> None:
        """Queue `work`; it must not be added again before its `turn` has returned False."""
        self._ready.append(work)
        if not self._is_armed:
            self._is_armed = True
            self._hub.loop.run_callback(self._run)

    def _run(self) -> None:
        """Let greenlets work until the queue is empty or the time slice is over; runs in the event loop."""
        self._is_armed = self._is_slice_over = False
        while self._ready and not self._is_slice_over:
            if self._idle:
                self._idle.pop().switch()
            elif self._greenlets < self._limit:
                self._greenlets += 1
                spawn_raw(self._work)
                # The greenlet starts after this callback; the next call finds out whether one is enough.
                self._is_armed = True
                self._hub.loop.run_callback(self._run)
                return
            else:
                return  # the next greenlet that finishes its piece continues

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
        """Call `_run` after the loop has read sockets; a callback, unlike a timer, would run before that."""
        if not self._is_armed:
            self._is_armed = True
            timer = self._hub.loop.timer(0)
            timer.start(self._run)
            self._timer = timer
