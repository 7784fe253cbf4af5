"""Watchers of gevent's loop: the events and priorities that its `io` and `timer` take, and the type of their result."""

from typing import Protocol

#: Events that a descriptor can be watched for.
READABLE, WRITABLE = 1, 2

#: libev's priorities: of the callbacks that are due at the same time, those of a higher priority are called first.
FIRST, LAST = 2, -2


class Watcher(Protocol):
    """A watcher of a descriptor, or a timer."""

    def stop(self) -> None:
        """Stop calling the callback; the watcher can be started again."""

    def close(self) -> None:
        """Stop, and free the watcher."""
