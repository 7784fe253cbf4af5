"""A device's connection to a real node. `inbox` has the pushes and the messages in acks, in order of arrival."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import orjson

from tests.support.clients.asynchronous import AsyncClient, LoopThread

#: Seconds after which a connection attempt, and the wait for an ack, are given up.
CONNECT_SECONDS = 5.0
ACK_SECONDS = 10.0

Pushed = tuple[str, dict[str, Any]]


class _AckedClient(AsyncClient):
    """A connection that reports the message in an ack as a push: the sender's connection gets it in the ack alone."""

    async def _take(self, packet: str) -> None:
        await super()._take(packet)
        if packet.startswith("43"):
            answer = orjson.loads(packet[packet.index("[") :])[0]
            if answer.get("ok") and "duplicate" in answer:
                self._on_event("message_created", {"message": answer["message"]})


class Connection:
    """See the module; several threads may use it. `hear` is called with each push at once."""

    def __init__(self, loop: LoopThread, url: str, token: str, hear: Callable[[str, dict[str, Any]], None]) -> None:
        self.inbox: deque[Pushed] = deque()
        self._loop = loop
        self._hear = hear
        self._news = threading.Event()
        self._client = loop.run(_AckedClient.open(url, token, self._receive, CONNECT_SECONDS), CONNECT_SECONDS + 5)
        self.node: str = self._client.node

    def _receive(self, event: str, payload: dict[str, Any]) -> None:
        self.inbox.append((event, payload))
        self._hear(event, payload)
        self._news.set()

    @property
    def is_open(self) -> bool:
        """Whether neither side has closed the connection."""
        return not self._client.closed.is_set()

    def wait(self, seconds: float) -> None:
        """Wait until a push has arrived, at most `seconds`."""
        if not self.inbox:
            self._news.wait(seconds)
        self._news.clear()

    def wake(self) -> None:
        """End a `wait`."""
        self._news.set()

    def call(self, command: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Send a command and return its ack; raises one of TROUBLE, after which it is unknown what was done."""
        return self._loop.run(self._client.call(command, payload, ACK_SECONDS), ACK_SECONDS + 5)

    def close_in(self, seconds: float) -> None:
        """Break the connection in `seconds`."""
        self._loop.loop.call_soon_threadsafe(self._loop.loop.call_later, seconds, self._client.abort)

    def close(self) -> None:
        """Break the connection as a lost network does."""
        self._loop.loop.call_soon_threadsafe(self._client.abort)
