"""Reads requested by many callers at the same moment, made with one query for all of them.

While one query is in flight, further callers gather for the next one, as in the committer. There is no deliberate
delay, and a crowd of connecting clients costs the database a few queries instead of some for each client.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

Key = TypeVar("Key")
Found = TypeVar("Found")


class _Round(Generic[Key, Found]):
    """The callers that are answered by the same query."""

    def __init__(self) -> None:
        self.keys: set[Key] = set()
        self.is_over = False
        self._found: Mapping[Key, Found] = {}
        self._error: Exception | None = None

    def run(self, read: Callable[[set[Key]], Mapping[Key, Found]]) -> None:
        try:
            self._found = read(self.keys)
        except Exception as exc:  # noqa: BLE001 - raised by `answer` to each caller
            self._error = exc
        self.is_over = True

    def answer(self, key: Key) -> Found | None:
        if self._error is not None:
            raise self._error
        return self._found.get(key)


class SharedRead(Generic[Key, Found]):
    """A shared read: calling it with a key returns that key's part of `read(keys)`, read after the call began.

    Raises what the read raised. `most` is the maximum number of keys in one query.
    """

    def __init__(self, read: Callable[[set[Key]], Mapping[Key, Found]], most: int = 500) -> None:
        self._read = read
        self._most = most
        self._turn = threading.Lock()
        self._door = threading.Lock()
        self._next: _Round[Key, Found] = _Round()

    def __call__(self, key: Key) -> Found | None:
        """Return the value found for `key`, or None."""
        with self._door:
            if len(self._next.keys) >= self._most:
                self._next = _Round()
            mine = self._next
            mine.keys.add(key)
        with self._turn:
            if not mine.is_over:
                with self._door:  # later callers join another round: this one may be read before their calls begin
                    if self._next is mine:
                        self._next = _Round()
                mine.run(self._read)
        return mine.answer(key)
