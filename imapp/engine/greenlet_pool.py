"""A pool of reused greenlets that handle incoming messages.

Work that does not block runs in one greenlet, piece by piece, without a new greenlet for each piece. When a piece
blocks (on the database), another greenlet continues with the remaining work. A session has at most one piece in
progress, so its messages are handled in order. After some milliseconds of work the event loop gets its turn, so that
sockets are read and heartbeats sent under load.
"""

import time
from collections import deque
from typing import Protocol

from gevent import get_hub, getcurrent, spawn_raw
from greenlet import greenlet

from imapp.logs import get_logger

log = get_logger(__name__)

#: Seconds of work after which the event loop gets its turn.
_SLICE_SECONDS = 0.004


class Task(Protocol):
    """Work to do in pieces: a session with messages."""

    def run(self) -> bool:
        """Do a bounded piece of the work; return whether there is more."""


class GreenletPool:
    """A queue of waiting work, and up to `limit` greenlets for it."""

    def __init__(self, limit: int) -> None:
        self._hub = get_hub()
        self._limit = limit
        self._ready: deque[Task] = deque()
        self._idle: list[greenlet] = []
        self._greenlets = 0
        self._is_armed = False
        self._is_slice_over = False

    @property
    def waiting(self) -> int:
        """Return the number of sessions that wait for a greenlet."""
        return len(self._ready)

    def add(self, task: Task) -> None:
        """Queue `task`; it must not be added again before its `run` has returned False."""
        self._ready.append(task)
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
            task = ready.popleft()
            try:
                if task.run():
                    ready.append(task)
            except Exception:
                log.exception("turn_failed")
            if time.monotonic() > end:
                break
        if ready:
            self._is_slice_over = True
            if not self._is_armed:
                self._is_armed = True
                # A timer, not a callback: the loop reads sockets before a timer fires.
                self._timer = self._hub.loop.timer(0)
                self._timer.start(self._run)
