"""A server that speaks the protocol and violates it as the test chooses."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

#: Takes the number of a message; returns how many times it is sent to its receiver.
Fault = Callable[[int], int]

_OPEN = json.dumps({"sid": "x", "upgrades": [], "pingInterval": 25000, "pingTimeout": 20000, "maxPayload": 1000000})


class _Faulty:
    def __init__(self, times: Fault, refuses: Callable[[int], bool]) -> None:
        self.times = times
        self.refuses = refuses
        self.people: dict[str, ServerConnection] = {}
        self.seq = 0

    async def serve(self, socket: ServerConnection) -> None:
        await socket.send("0" + _OPEN)
        try:
            async for packet in socket:
                await self._answer(socket, packet)
        except ConnectionClosed:
            pass

    async def _answer(self, socket: ServerConnection, packet: str) -> None:
        if packet.startswith("40"):
            self.people[json.loads(packet[2:])["token"]] = socket
            await socket.send('40{"sid":"y"}')
        elif packet.startswith("42"):
            number, _, body = packet[2:].partition("[")
            await self._send(socket, int(number), json.loads("[" + body)[1])

    async def _send(self, socket: ServerConnection, number: int, body: dict) -> None:
        if self.refuses(number):
            refusal = {"ok": False, "error": {"code": "<b>busy</b>", "message": "later"}}
            await socket.send(f"43{number}[{json.dumps(refusal)}]")
            return
        self.seq += 1
        message = {"client_id": body["client_id"], "conversation_id": 1, "seq": self.seq}
        await socket.send(f'43{number}[{{"ok":true}}]')
        for _ in range(self.times(number)):
            event = json.dumps(["message_created", {"message": message}], separators=(",", ":"))
            await self.people[f"token-{body['to_user_id']}"].send("42" + event)


@contextmanager
def faulty_server(times: Fault = lambda _: 1, refuses: Callable[[int], bool] = lambda _: False) -> Iterator[str]:
    """Run the server and yield its URL; the token of user N is token-N."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start():
        return await serve(_Faulty(times, refuses).serve, "127.0.0.1", 0, compression=None)

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def stop():
        server.close(close_connections=True)
        await server.wait_closed()

    asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()
