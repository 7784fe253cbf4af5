"""A plain connection to a Redis server in RESP3: it sends bytes and returns parsed replies.

redis-py needs 14 microseconds to receive a message and 250 to publish one, and the bus does both for every message of
the cluster. This module speaks https://redis.io/docs/latest/develop/reference/protocol-spec/ with hiredis as the
parser. Everything else in this product uses redis-py.
"""

import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import hiredis

from imapp.cluster.redis_url import RedisUrl

#: Seconds that connecting, or one answer while connecting, may take.
CONNECT_SECONDS = 1.0

#: Maximum number of bytes in one read.
_READ_BYTES = 262_144

#: What the parser returns while no reply is complete.
_NOTHING = object()


def pack(*words: str | bytes | int) -> bytes:
    """Return one command in RESP."""
    packed: bytes = hiredis.pack_command(words)  # type: ignore[arg-type]  # the stub wants a narrower tuple
    return packed


class Connection:
    """One open, authenticated connection. Every failure is an OSError."""

    def __init__(
        self, address: RedisUrl, host: str, port: int, *, name: str = "imapp", is_sentinel: bool = False
    ) -> None:
        self._reader = hiredis.Reader(notEnoughData=_NOTHING)
        self.socket = _open(address, host, port)
        try:
            self._greet(address, name, is_sentinel)
        except BaseException:
            self.socket.close()
            raise

    def _greet(self, address: RedisUrl, name: str, is_sentinel: bool) -> None:
        if is_sentinel:
            hello: list[str | int] = ["PING"] if not address.password else ["AUTH", *_credentials(address)]
        else:
            hello = ["HELLO", 3, *(["AUTH", *_hello_credentials(address)] if address.password else [])]
            hello += ["SETNAME", name]
        self.ask(*hello)
        if address.db and not is_sentinel:
            self.ask("SELECT", address.db)

    def ask(self, *words: str | bytes | int) -> Any:
        """Send one command and return its reply; raises OSError, also for an error reply."""
        self.socket.sendall(pack(*words))
        while True:
            for reply in self.read():
                if isinstance(reply, hiredis.ReplyError):
                    raise ConnectionRefusedError(str(reply))
                return reply

    def read(self) -> Iterator[Any]:
        """Wait for bytes and yield the replies that they complete; raises OSError if the connection ended."""
        data = self.socket.recv(_READ_BYTES)
        if not data:
            raise ConnectionResetError("Redis closed the connection")
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not _NOTHING:
                yield reply
        except hiredis.ProtocolError as exc:
            raise ConnectionAbortedError("the server does not speak the Redis protocol") from exc

    def close(self) -> None:
        """Close the connection; a concurrent read or write raises OSError."""
        with suppress(OSError):  # the connection may have ended already
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def ask_once(address: RedisUrl, host: str, port: int, *words: str | int, is_sentinel: bool = False) -> Any:
    """Send one command on a new connection, and return its reply; raises OSError."""
    with closing(Connection(address, host, port, is_sentinel=is_sentinel)) as connection:
        return connection.ask(*words)


def _credentials(address: RedisUrl) -> list[str]:
    return [address.username, address.password] if address.username else [address.password]


def _hello_credentials(address: RedisUrl) -> list[str]:
    return [address.username or "default", address.password]


def _open(address: RedisUrl, host: str, port: int) -> socket.socket:
    if address.path:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(CONNECT_SECONDS)
        try:
            sock.connect(address.path)
        except OSError:
            sock.close()
            raise
        return sock
    sock = socket.create_connection((host, port), CONNECT_SECONDS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not address.tls:
        return sock
    return ssl.create_default_context(cafile=address.ca_file).wrap_socket(sock, server_hostname=host)
