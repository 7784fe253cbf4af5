"""All connections of the test: they connect at a given rate, retry after a refusal, and disconnect at the end."""

import asyncio
import resource
import socket
import time
from collections import Counter
from dataclasses import dataclass
from ssl import SSLContext

from imapp.load.errors import LoadError, MisuseError
from imapp.load.ledger import Ledger
from imapp.load.meter import Meter
from imapp.load.options import Options, address_of
from imapp.load.rest import tls_of
from imapp.load.socketio_client import RefusedError, SocketIOClient
from imapp.load.users import User

#: Time limit of an attempt to connect in seconds, number of attempts, and pause after the first failure in seconds
#: (doubled after each further failure).
_ATTEMPT_SECONDS, _ATTEMPTS, _PAUSE = 15.0, 4, 0.5

#: Open files besides the sockets.
_OTHER_FILES = 64


@dataclass(frozen=True)
class _Target:
    """A server's address, resolved once for thousands of connections."""

    host: str
    name: str
    address: str
    port: int
    tls: SSLContext | None


class Connections:
    """The connections. With several servers, the two users of a pair are connected to different ones."""

    def __init__(self, options: Options, users: list[User], ledger: Ledger, meter: Meter) -> None:
        self._options = options
        self._users = users
        self._ledger = ledger
        self._meter = meter
        self.clients: list[SocketIOClient | None] = [None] * len(users)
        self._targets = [_target(url, options) for url in options.urls]
        self.refusals: Counter[str] = Counter()

    async def connect(self, stop: asyncio.Event) -> None:
        """Connect all users; raises LoadError if a user cannot connect."""
        began = time.monotonic()
        tasks: list[asyncio.Task[None]] = []
        for index in range(len(self._users)):
            due = began + index / self._options.connect_rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if stop.is_set() or (tasks and tasks[0].done() and self._meter.connected == 0):
                break  # interrupted; or the first user was refused after all attempts, and so would be all others
            tasks.append(asyncio.create_task(self._connect_one(index, due)))
        await asyncio.gather(*tasks)
        connected = self._meter.connected
        if not stop.is_set() and connected + len(self._ledger.offline) < len(self._users):
            codes = ", ".join(f"{code} {count} times" for code, count in self.refusals.most_common())
            raise LoadError(f"{connected} of {len(self._users)} could connect: {codes or 'no reason given'}")

    async def _connect_one(self, index: int, due: float) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                await self._open_connection(index)
            except RefusedError as exc:
                code = exc.code
            except TimeoutError:
                code = "connect_timeout"
            except OSError as exc:
                code = type(exc).__name__
            else:
                self._meter.connect.record(time.monotonic() - due)
                self._meter.connected += 1
                return
            self.refusals[code] += 1
            self._meter.failed(f"connect: {code}")
            await asyncio.sleep(_PAUSE * 2**attempt if attempt + 1 < _ATTEMPTS else 0)

    async def _open_connection(self, index: int) -> None:
        target = self._targets[(index // 2 + index % 2) % len(self._targets)]
        client = SocketIOClient(index, target.host, self._users[index].token, self._ledger)
        async with asyncio.timeout(_ATTEMPT_SECONDS):
            await asyncio.get_running_loop().create_connection(
                lambda: client,
                target.address,
                target.port,
                ssl=target.tls,
                server_hostname=target.name if target.tls else None,
            )
            try:
                await client.entered
            except asyncio.CancelledError:
                client.leave()
                raise
        self.clients[index] = client

    async def leave(self) -> None:
        """Disconnect all users."""
        for client in self.clients:
            if client is not None:
                client.leave()
        await asyncio.sleep(0.1)  # so that the last packets are sent


def _target(url: str, options: Options) -> _Target:
    parts, port = address_of(url)
    name = str(parts.hostname)
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except OSError as exc:
        raise LoadError(f"{url}: {exc.strerror}") from exc
    return _Target(parts.netloc, name, str(found[0][4][0]), port, tls_of(url, options.ca))


def allow_files(count: int) -> None:
    """Raise this process' limit of open files for `count` connections; raises MisuseError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = count + _OTHER_FILES
    if soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise MisuseError(f"{count} connections need {needed} open files, {hard} are allowed: ulimit -n {needed}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
