"""Turns at something that only one may change at a time: those who wait hold no database connection.

The database would let them wait at its lock, each with a connection of the pool; a lock that stays taken would then
keep everybody from reading.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from imapp import database
from imapp.errors import BusyError


class Turns:
    """Turns of this node, by the id of what is to be changed."""

    def __init__(self, seconds: float) -> None:
        """`seconds`: how long a turn is waited for."""
        self._seconds = seconds
        #: By id: who is at it holds the lock; and how many want it.
        self._locks: dict[int, tuple[threading.Lock, int]] = {}
        self._guard = threading.Lock()

    @contextmanager
    def of(self, id_: int) -> Iterator[None]:
        """Wait for the turn and have it within the block; raises BusyError when it does not come in time."""
        lock = self._want(id_)
        try:
            database.release()
            if not lock.acquire(timeout=self._seconds):
                raise BusyError(retry_after=1)
            try:
                yield
            finally:
                lock.release()
        finally:
            self._unwant(id_)

    def _want(self, id_: int) -> threading.Lock:
        with self._guard:
            lock, wanted = self._locks.get(id_, (threading.Lock(), 0))
            self._locks[id_] = lock, wanted + 1
            return lock

    def _unwant(self, id_: int) -> None:
        with self._guard:
            lock, wanted = self._locks.pop(id_)
            if wanted > 1:
                self._locks[id_] = lock, wanted - 1
