"""Reads that many ask for at one moment, made with one query for all of them.

While one query is under way those who ask gather for the next, as in the committer: nobody waits on purpose, and a
crowd that connects costs the database a few queries instead of some for each.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

Key = TypeVar("Key")
Found = TypeVar("Found")


class _Round(Generic[Key, Found]):
    """Those who are answered by the same query."""

    def __init__(self) -> None:
        self.keys: set[Key] = set()
        self.is_over = False
        self._found: Mapping[Key, Found] = {}
        self._error: Exception | None = None

    def run(self, read: Callable[[set[Key]], Mapping[Key, Found]]) -> None:
        try:
            self._found = read(self.keys)
        except Exception as exc:  # noqa: BLE001 - raised by `answer` to each of them
            self._error = exc
        self.is_over = True

    def answer(self, key: Key) -> Found | None:
        if self._error is not None:
            raise self._error
        return self._found.get(key)


class SharedRead(Generic[Key, Found]):
    """`read(keys)` gives what it found; calling this with one key gives that key's part, read after the call began.

    Raises what the read raised. `most` bounds the keys of one query.
    """

    def __init__(self, read: Callable[[set[Key]], Mapping[Key, Found]], most: int = 500) -> None:
        self._read = read
        self._most = most
        self._turn = threading.Lock()
        self._door = threading.Lock()
        self._next: _Round[Key, Found] = _Round()

    def __call__(self, key: Key) -> Found | None:
        """What is found under `key`, None for nothing."""
        mine = self._join(key)
        with self._turn:
            if not mine.is_over:
                self._close(mine)
                mine.run(self._read)
        return mine.answer(key)

    def _join(self, key: Key) -> _Round[Key, Found]:
        with self._door:
            if len(self._next.keys) >= self._most:
                self._next = _Round()
            self._next.keys.add(key)
            return self._next

    def _close(self, ours: _Round[Key, Found]) -> None:
        with self._door:
            if self._next is ours:
                self._next = _Round()
