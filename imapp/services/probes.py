"""Looks that may hang: in a thread each, shared by all who ask meanwhile and for a second after, given up in time."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")

#: Seconds for which what was seen is told again.
CACHE_SECONDS = 1.0


class Probe(Generic[T]):
    """One look at a time: while one hangs, others would only take connections. The thread may outlast who asks."""

    def __init__(self, look: Callable[[], T]) -> None:
        self._look = look
        self._turn = threading.Lock()
        self._latest: Future[T] | None = None
        self._ended_at = 0.0

    def begin(self) -> "Future[T]":
        """The look that is under way or was a moment ago; else a new one."""
        with self._turn:
            latest = self._latest
            if latest is None or (latest.done() and time.monotonic() - self._ended_at >= CACHE_SECONDS):
                latest = self._latest = Future()
                threading.Thread(target=self._run, args=(latest,), name="probe", daemon=True).start()
            return latest

    def _run(self, answer: "Future[T]") -> None:
        try:
            found = self._look()
        except Exception as exc:  # noqa: BLE001 - raised to those who ask
            self._ended_at = time.monotonic()
            answer.set_exception(exc)
        else:
            self._ended_at = time.monotonic()
            answer.set_result(found)


def answer_of(look: "Future[T]", deadline: float) -> T | None:
    """What was seen; None when it is not known at the deadline (time.monotonic())."""
    try:
        return look.result(max(0.0, deadline - time.monotonic()))
    except TimeoutError:
        return None
