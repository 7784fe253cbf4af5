"""A device's connection to a real node: what is pushed waits in `inbox`, a command's message in its place among it."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import orjson

from tests.drills.wire import TROUBLE, Wire

#: Seconds until a connection that does not come, and an ack that does not come, are given up.
CONNECT_SECONDS = 5.0
ACK_SECONDS = 10.0

Pushed = tuple[str, dict[str, Any]]


class EventLoop:
    """One event loop in a thread of its own, for the connections of all devices."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="links", daemon=True)
        self._thread.start()

    def run(self, work: Any, seconds: float) -> Any:
        """Do this in the loop and give what came of it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(seconds + 5)

    def close(self) -> None:
        """End all that is under way."""

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
    """The connection that sent a message has it in the ack alone: it is shown where the ack stands."""

    async def _take(self, packet: str) -> None:
        await super()._take(packet)
        if packet.startswith("43"):
            answer = orjson.loads(packet[packet.index("[") :])[0]
            if answer.get("ok") and "duplicate" in answer:
                self._on_event("message_created", {"message": answer["message"]})


class Link:
    """See the module; made by a thread, used by several. `hear` is told of each push at once."""

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
        """Whether it was not closed, by either side."""
        return not self._wire.closed.is_set()

    def wait(self, seconds: float) -> None:
        """Until something was pushed, or so long."""
        if not self.inbox:
            self._news.wait(seconds)
        self._news.clear()

    def wake(self) -> None:
        """End a wait."""
        self._news.set()

    def call(self, command: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Send a command and give its ack; raises one of TROUBLE, after which nobody knows what was done."""
        return self._loop.run(self._wire.call(command, payload, ACK_SECONDS), ACK_SECONDS)

    def close_in(self, seconds: float) -> None:
        """Break it then."""
        self._loop.loop.call_soon_threadsafe(self._loop.loop.call_later, seconds, self._wire.abort)

    def close(self) -> None:
        """Break it, as a lost network does."""
        self._loop.loop.call_soon_threadsafe(self._wire.abort)


__all__ = ["ACK_SECONDS", "TROUBLE", "EventLoop", "Link"]
