"""An asynchronous client: a Socket.IO connection that costs one task; the official client needs threads."""

import asyncio
import itertools
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidMessage, WebSocketException

#: Exceptions of a connection that fails or is lost.
TROUBLE = (OSError, TimeoutError, WebSocketException, InvalidHandshake, InvalidMessage, EOFError)


class LoopThread:
    """An event loop in a thread of its own, for the connections of many users."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="clients", daemon=True)
        self._thread.start()

    def submit(self, work: Coroutine[Any, Any, Any]) -> "Future[Any]":
        """Run the coroutine in the loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def run(self, work: Coroutine[Any, Any, Any], seconds: float = 30) -> Any:
        """Run the coroutine in the loop and return its result."""
        return self.submit(work).result(seconds)

    def close(self) -> None:
        """Cancel all running tasks and stop the loop."""

        async def end() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        self.run(end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()


class AsyncClient:
    """One open connection; `open` creates it. `on_event` is called with each push, in the event loop."""

    def __init__(self, ws: ClientConnection, on_event: Callable[[str, dict[str, Any]], None]) -> None:
        self._ws = ws
        self._on_event = on_event
        self._calls: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._numbers = itertools.count(1)
        self._patience = 60.0
        self.node = ""
        self.closed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls, url: str, token: str, on_event: Callable[[str, dict[str, Any]], None], seconds: float = 10
    ) -> "AsyncClient":
        """Connect and log in; raises one of TROUBLE."""
        address = url.replace("http", "ws", 1) + "/socket.io/?EIO=4&transport=websocket"
        options: dict[str, Any] = {"compression": None, "ping_interval": None, "max_size": None, "close_timeout": 1}
        async with asyncio.timeout(seconds):
            client = cls(await connect(address, open_timeout=None, proxy=None, **options), on_event)
            try:
                await client._log_in(token)
            except BaseException:
                client.abort()
                raise
        client._task = asyncio.create_task(client._read_on())
        return client

    async def _log_in(self, token: str) -> None:
        hello = orjson.loads(str(await self._ws.recv())[1:])
        self.node = hello["sid"].rpartition("~")[0]
        # Like the official clients, take a server that is silent for longer than this for dead.
        self._patience = (hello["pingInterval"] + hello["pingTimeout"]) / 1000
        await self._ws.send("40" + orjson.dumps({"token": token}).decode())
        while (packet := str(await self._ws.recv())) == "2":
            await self._ws.send("3")
        if not packet.startswith("40"):
            raise ConnectionRefusedError(packet[:200])

    async def _read_on(self) -> None:
        with suppress(*TROUBLE):
            while True:
                async with asyncio.timeout(self._patience):
                    packet = str(await self._ws.recv())
                if packet in {"1", "41"}:
                    break
                await self._take(packet)
        self.abort()

    async def _take(self, packet: str) -> None:
        if packet == "2":
            await self._ws.send("3")
        elif packet.startswith("42"):
            event, payload = orjson.loads(packet[2:])
            self._on_event(event, payload)
        elif packet.startswith("43"):
            number, _, answer = packet[2:].partition("[")
            future = self._calls.get(int(number))
            if future is not None and not future.done():
                future.set_result(orjson.loads("[" + answer)[0])

    async def call(self, command: str, payload: dict[str, Any], seconds: float = 10) -> dict[str, Any]:
        """Send a command and return its ack; raises one of TROUBLE, after which it is unknown what was done."""
        number = next(self._numbers)
        future = self._calls[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                if self.closed.is_set():
                    raise ConnectionResetError
                await self._ws.send(f"42{number}" + orjson.dumps([command, payload]).decode())
                return await future
        finally:
            del self._calls[number]

    def abort(self) -> None:
        """Break the connection without a close frame, as a lost network does."""
        self._ws.transport.abort()
        self.closed.set()
        for future in self._calls.values():
            if not future.done():
                future.set_exception(ConnectionResetError())
                future.exception()  # the caller may have given up: mark the exception as retrieved
