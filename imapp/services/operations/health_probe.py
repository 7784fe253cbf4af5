"""Checks that may hang. Each runs in a thread, callers share its result for a second, and no caller waits too long."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")

#: Seconds for which a result is reused.
CACHE_SECONDS = 1.0


class Probe(Generic[T]):
    """Runs one check at a time: while one hangs, others would only take connections. It may outlive its callers."""

    def __init__(self, check: Callable[[], T]) -> None:
        self._check = check
        self._turn = threading.Lock()
        self._latest: Future[T] | None = None
        self._ended_at = 0.0

    def begin(self) -> "Future[T]":
        """Return the check in progress, or the one that ended less than CACHE_SECONDS ago, or start a new one."""
        with self._turn:
            latest = self._latest
            if latest is None or (latest.done() and time.monotonic() - self._ended_at >= CACHE_SECONDS):
                latest = self._latest = Future()
                threading.Thread(target=self._run, args=(latest,), name="probe", daemon=True).start()
            return latest

    def _run(self, answer: "Future[T]") -> None:
        try:
            found = self._check()
        except Exception as exc:  # noqa: BLE001 - raised to the callers
            self._ended_at = time.monotonic()
            answer.set_exception(exc)
        else:
            self._ended_at = time.monotonic()
            answer.set_result(found)


def answer_of(check: "Future[T]", deadline: float) -> T | None:
    """Return the check's result, or None if there is none at the deadline (time.monotonic())."""
    try:
        return check.result(max(0.0, deadline - time.monotonic()))
    except TimeoutError:
        return None
