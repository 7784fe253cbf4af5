"""A device's connection to a real node. `inbox` has the pushes and the messages in acks, in order of arrival."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import orjson

from tests.drills.wire import TROUBLE, Wire

#: Seconds after which a connection attempt, and the wait for an ack, are given up.
CONNECT_SECONDS = 5.0
ACK_SECONDS = 10.0

Pushed = tuple[str, dict[str, Any]]


class EventLoop:
    """An event loop in a thread of its own, for the connections of all devices."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="links", daemon=True)
        self._thread.start()

    def run(self, work: Any, seconds: float) -> Any:
        """Run the coroutine in the loop and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(seconds + 5)

    def close(self) -> None:
        """Cancel all running tasks and stop the loop."""

        async def end() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        self.run(end(), 10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()


class _AckedWire(Wire):
    """A connection that reports the message in an ack as a push: the sender's connection gets it in the ack alone."""

    async def _take(self, packet: str) -> None:
        await super()._take(packet)
        if packet.startswith("43"):
            answer = orjson.loads(packet[packet.index("[") :])[0]
            if answer.get("ok") and "duplicate" in answer:
                self._on_event("message_created", {"message": answer["message"]})


class Link:
    """See the module; several threads may use it. `hear` is called with each push at once."""

    def __init__(self, loop: EventLoop, url: str, token: str, hear: Callable[[str, dict[str, Any]], None]) -> None:
        self.inbox: deque[Pushed] = deque()
        self._loop = loop
        self._hear = hear
        self._news = threading.Event()
        self._wire = loop.run(_AckedWire.open(url, token, self._receive, CONNECT_SECONDS), CONNECT_SECONDS)
        self.node: str = self._wire.node

    def _receive(self, event: str, payload: dict[str, Any]) -> None:
        self.inbox.append((event, payload))
        self._hear(event, payload)
        self._news.set()

    @property
    def is_open(self) -> bool:
        """Whether neither side has closed the connection."""
        return not self._wire.closed.is_set()

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
        return self._loop.run(self._wire.call(command, payload, ACK_SECONDS), ACK_SECONDS)

    def close_in(self, seconds: float) -> None:
        """Break the connection in `seconds`."""
        self._loop.loop.call_soon_threadsafe(self._loop.loop.call_later, seconds, self._wire.abort)

    def close(self) -> None:
        """Break the connection as a lost network does."""
        self._loop.loop.call_soon_threadsafe(self._wire.abort)


__all__ = ["ACK_SECONDS", "TROUBLE", "EventLoop", "Link"]
