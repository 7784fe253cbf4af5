"""One node of the cluster and its parts.

`create_app` builds the node and keeps it at the app; code finds it by `current_node()` or, without an app context, by
`node_of(app)`. A part (the committer, the room manager, the Redis client) is looked up by its class. A module can look
up only a class that it may import, so the layers hold for the parts, too.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from flask import Flask, current_app

from imapp.settings import Settings

T = TypeVar("T")

_EXTENSION = "imapp"


class Node:
    """The settings, the state and the parts of one node."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        #: Unix time in seconds.
        self.started_at = time.time()
        #: Whether the node is stopping: it accepts no new connections and reports itself as not ready.
        self.is_draining = False
        #: Ends the process as an operator would; the process that serves sets it (gunicorn.conf.py).
        self.stop: Callable[[], None] = _stop_nothing
        self._parts: dict[type, object] = {}

    def add(self, part: T) -> T:
        """Keep a part under its class and return it."""
        self._parts[type(part)] = part
        return part

    def find(self, kind: type[T]) -> T | None:
        """Return the part of this class; None while there is none."""
        return self._parts.get(kind)  # type: ignore[return-value]  # `add` keeps each part under its own class

    def part(self, kind: type[T]) -> T:
        """Return the part of this class; raise LookupError if the node has none."""
        found = self.find(kind)
        if found is None:
            raise LookupError(f"This node has no {kind.__name__}.")
        return found

    def part_or(self, kind: type[T], build: Callable[[], T]) -> T:
        """Return the part of this class; the first call builds it."""
        found = self.find(kind)
        if found is None:
            found = self._parts.setdefault(kind, build())  # type: ignore[assignment]  # as in `find`
        return found  # type: ignore[return-value]  # as in `find`

    def remove(self, kind: type[T]) -> T | None:
        """Forget the part of this class and return it; None if there was none."""
        return self._parts.pop(kind, None)  # type: ignore[return-value]  # as in `find`


def _stop_nothing() -> None:
    """Do nothing: this process serves nobody, so nothing has to stop."""


def bind(app: Flask, node: Node) -> None:
    """Keep the node at its app."""
    app.extensions[_EXTENSION] = node


def node_of(app: Flask) -> Node:
    """Return the node of an app."""
    found: Node = app.extensions[_EXTENSION]
    return found


def current_node() -> Node:
    """Return the node of the current app; needs an app context."""
    # Not through the proxy: each command needs the node several times, and an attribute of a proxy costs 1 µs.
    found: Node = current_app._get_current_object().extensions[_EXTENSION]  # type: ignore[attr-defined]  # a proxy
    return found
