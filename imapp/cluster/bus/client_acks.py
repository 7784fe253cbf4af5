"""Callbacks for clients' acks to the server's events, with the client on any node."""

import itertools
from collections.abc import Callable
from typing import Any

from socketio.packet import BINARY_EVENT

#: Maximum number of pending callbacks; beyond it, the oldest is dropped and its ack ignored.
_MAX_AWAITED = 10_000


class ClientAcks:
    """Pending callbacks by number. The first ack removes the callback."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._callbacks: dict[int, Callable[..., None]] = {}

    def add(self, callback: Callable[..., None]) -> int:
        """Store a callback and return its number."""
        number = next(self._numbers)
        self._callbacks[number] = callback
        if len(self._callbacks) > _MAX_AWAITED:
            del self._callbacks[next(iter(self._callbacks))]
        return number

    def answer(self, number: int, arguments: list[Any]) -> None:
        """Call the callback, unless another client has answered before."""
        callback = self._callbacks.pop(number, None)
        if callback is not None:
            callback(*arguments)


def with_ack_id(packet: str, namespace: str, ack_id: int) -> str:
    """Add an ack id to an encoded event: `2["e"]` becomes `27["e"]`, `51-["e"]` becomes `51-7["e"]`."""
    start = packet.index("-") + 1 if packet.startswith(str(BINARY_EVENT)) else 1
    if namespace != "/":
        start = packet.index(",", start) + 1
    return f"{packet[:start]}{ack_id}{packet[start:]}"
