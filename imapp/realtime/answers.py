"""Acks of clients that the server waits for, on whichever node the client is."""

import itertools
from collections.abc import Callable
from typing import Any

from socketio.packet import BINARY_EVENT

#: Answers that are waited for at one time; beyond, the oldest is given up.
_MAX_AWAITED = 10_000


class Awaited:
    """Callbacks by number; the first answer takes the callback away."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._callbacks: dict[int, Callable[..., None]] = {}

    def add(self, callback: Callable[..., None]) -> int:
        """Keep a callback; gives its number."""
        number = next(self._numbers)
        self._callbacks[number] = callback
        if len(self._callbacks) > _MAX_AWAITED:
            del self._callbacks[next(iter(self._callbacks))]
        return number

    def answer(self, number: int, arguments: list[Any]) -> None:
        """Call the callback, if nobody has answered before."""
        callback = self._callbacks.pop(number, None)
        if callback is not None:
            callback(*arguments)


def with_ack_id(packet: str, namespace: str, ack_id: int) -> str:
    """Ask for an ack in an encoded event: `2["e"]` becomes `27["e"]`, `51-["e"]` becomes `51-7["e"]`."""
    start = packet.index("-") + 1 if packet.startswith(str(BINARY_EVENT)) else 1
    if namespace != "/":
        start = packet.index(",", start) + 1
    return f"{packet[:start]}{ack_id}{packet[start:]}"
