"""Turns for changes that must be made one at a time. A caller that waits for its turn holds no database connection.

Waiting for a lock of the database would take a connection of the pool for each caller. A lock that is not released
would then block all reads.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from imapp.database import transactions
from imapp.errors import BusyError


class Turns:
    """The turns on this node, by the id of the object to be changed."""

    def __init__(self, seconds: float) -> None:
        """Create turns; a caller waits up to `seconds` for its turn."""
        self._seconds = seconds
        #: By id: the lock, held during a turn, and the number of callers that hold or want it.
        self._locks: dict[int, tuple[threading.Lock, int]] = {}
        self._guard = threading.Lock()

    @contextmanager
    def of(self, id_: int) -> Iterator[None]:
        """Wait for the turn and hold it within the block; raises BusyError if it does not come in time."""
        with self._guard:
            lock, wanted = self._locks.get(id_, (threading.Lock(), 0))
            self._locks[id_] = lock, wanted + 1
        try:
            transactions.release()
            if not lock.acquire(timeout=self._seconds):
                raise BusyError(retry_after=1)
            try:
                yield
            finally:
                lock.release()
        finally:
            with self._guard:
                _, wanted = self._locks.pop(id_)
                if wanted > 1:
                    self._locks[id_] = lock, wanted - 1
