"""Writes to conversations that another transaction keeps locked: they are parked, and all other writes go on.

A lock is held for milliseconds, unless its node is cut off from the database in the middle of a transaction. Then the
database keeps the lock until it ends the idle transaction (see `IDLE_SECONDS`). Only writes to that conversation may
wait for it.
"""

import time
from collections import deque
from collections.abc import Callable, Collection
from typing import TypeVar

Write = TypeVar("Write")

#: Seconds between two checks whether locks have been released.
LOOK_SECONDS = 0.2


class Parked(dict[int, deque[Write]]):
    """Parked writes by conversation, in order. `find_locked` returns which of the given conversations are locked."""

    def __init__(self, find_locked: Callable[[Collection[int]], set[int]]) -> None:
        super().__init__()
        self._find_locked = find_locked
        self._due = 0.0

    def count(self) -> int:
        """Return the number of parked writes."""
        return sum(map(len, self.values()))

    def add(self, conversation_id: int, write: Write) -> None:
        """Park a write behind the conversation's earlier ones."""
        if not self:
            self._due = time.monotonic() + LOOK_SECONDS
        self.setdefault(conversation_id, deque()).append(write)

    def take_free(self) -> list[Write]:
        """Remove and return, in order, the writes of unlocked conversations; check at most once in LOOK_SECONDS."""
        if not self or time.monotonic() < self._due:
            return []
        self._due = time.monotonic() + LOOK_SECONDS
        free = self.keys() - self._find_locked(self.keys())
        return [write for conversation_id in sorted(free) for write in self.pop(conversation_id)]

    def take_late(self, is_late: Callable[[Write], bool]) -> list[Write]:
        """Remove and return the writes that have waited too long."""
        late = []
        for conversation_id, writes in list(self.items()):
            while writes and is_late(writes[0]):
                late.append(writes.popleft())
            if not writes:
                del self[conversation_id]
        return late

    def take_all(self) -> list[Write]:
        """Remove and return all writes."""
        writes = [write for waiting in self.values() for write in waiting]
        self.clear()
        return writes
