"""Writes to conversations that another transaction keeps locked: they wait aside, and all others go on.

A lock is held for milliseconds, unless its node is cut off from the database in the middle of a transaction: then the
database keeps the lock until it notices (database.py bounds that). Only writes to that conversation may wait for it.
"""

import time
from collections import deque
from collections.abc import Callable, Collection
from typing import TypeVar

Write = TypeVar("Write")

#: Seconds between two looks whether a lock is gone.
LOOK_SECONDS = 0.2


class Parked(dict[int, deque[Write]]):
    """Writes by conversation, in their order. `find_locked` gives those of some conversations that are still locked."""

    def __init__(self, find_locked: Callable[[Collection[int]], set[int]]) -> None:
        super().__init__()
        self._find_locked = find_locked
        self._due = 0.0

    def count(self) -> int:
        """How many writes wait here."""
        return sum(map(len, self.values()))

    def add(self, conversation_id: int, write: Write) -> None:
        """Let a write wait behind the conversation's others."""
        if not self:
            self._due = time.monotonic() + LOOK_SECONDS
        self.setdefault(conversation_id, deque()).append(write)

    def take_free(self) -> list[Write]:
        """Give the writes whose conversations are free again, in order; looks when it is time to."""
        if not self or time.monotonic() < self._due:
            return []
        self._due = time.monotonic() + LOOK_SECONDS
        free = self.keys() - self._find_locked(self.keys())
        return [write for conversation_id in sorted(free) for write in self.pop(conversation_id)]

    def take_late(self, is_late: Callable[[Write], bool]) -> list[Write]:
        """Give the writes that have waited too long."""
        late = []
        for conversation_id, writes in list(self.items()):
            while writes and is_late(writes[0]):
                late.append(writes.popleft())
            if not writes:
                del self[conversation_id]
        return late

    def take_all(self) -> list[Write]:
        """Give all of them."""
        writes = [write for waiting in self.values() for write in waiting]
        self.clear()
        return writes
