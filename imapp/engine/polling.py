"""Engine.IO's long-polling: packets wait for the client's next GET request, or a GET request waits for packets."""

import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from gevent import Timeout, sleep
from gevent.event import Event

from imapp.engine.engineio_packets import NOOP, OutgoingPacket, PacketError, decode_payload
from imapp.engine.requests import connection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imapp.engine.session import Session


_NOOP = OutgoingPacket(NOOP)

#: Seconds until the first check whether the packets of a POST are handled, and at most between two checks.
_CHECK_SECONDS, _CHECK_SECONDS_MAX = 0.001, 0.05

#: Seconds to wait for a client's last GET, which it sends together with its close packet.
_BESIDE_SECONDS = 0.1

#: Seconds in which the whole body of a POST must arrive.
_BODY_SECONDS = 10

_READABLE = 1

#: Maximum size of a body, as a multiple of the maximum size of a packet. Below it, packets beyond the limit are
#: refused one by one.
_BODY_PACKETS = 4


class TooLongError(PacketError):
    """Raised when a body is larger than its session may send."""


class Polling:
    """The packets that wait for a polling client."""

    __slots__ = ("_event", "_packets", "is_posting", "is_probed", "size")

    def __init__(self) -> None:
        self._packets: list[Any] = []
        #: Set when the waiting GET must be answered; None while no GET waits.
        self._event: Event | None = None
        #: Whether a POST is in progress, and whether the client is probing a WebSocket.
        self.is_posting = False
        self.is_probed = False
        #: Sum of the lengths of the waiting packets, in characters.
        self.size = 0

    @property
    def is_waited_for(self) -> bool:
        """Return whether a GET waits for packets."""
        return self._event is not None

    def put(self, packet: Any) -> None:
        """Queue a packet for the waiting GET, or for the next one."""
        self._packets.append(packet)
        self.size += len(packet.data)
        self._wake()

    def _wake(self) -> None:
        if self._event is not None and not (self.is_probed and self._packets != [_NOOP]):
            self._event.set()

    def probe(self) -> None:
        """Answer the waiting GET, and keep packets for the WebSocket that the client is probing."""
        self.is_probed = True
        if self._event is not None:
            self._event.set()

    def leave(self) -> list[Any]:
        """End polling after an upgrade: answer a waiting GET with a NOOP; return the packets for the WebSocket."""
        left, self._packets = self._packets, []
        self.end(_NOOP)
        return left

    def end(self, last: OutgoingPacket) -> None:
        """End polling: answer a waiting GET with the queued packets and `last`."""
        self._packets.append(last)
        self.is_probed = False
        self._wake()

    def wait(self, seconds: float) -> list[Any]:
        """Return the packets for a GET; wait for them up to `seconds`."""
        if not self._packets and not self.is_probed:
            self._event = Event()
            self._event.wait(seconds)
            self._event = None
        if self.is_probed:
            return [_NOOP]
        packets, self._packets, self.size = self._packets, [], 0
        return packets or [_NOOP]


def poll(session: "Session", environ: dict[str, Any]) -> list[Any]:
    """Return the packets for a GET; raises PacketError while another GET waits."""
    polling = session.polling
    if polling is None or polling.is_waited_for:
        raise PacketError("concurrent GET")
    server = session.server
    with _watched(session, polling, environ):
        return polling.wait(server.ping_interval + server.ping_timeout)


@contextmanager
def _watched(session: "Session", polling: Polling, environ: dict[str, Any]) -> "Iterator[None]":
    """End the session if the client drops its GET, because the packets of the answer would be lost.

    The session stays if the client has upgraded to a WebSocket meanwhile.
    """
    sock = connection(environ)
    if not hasattr(sock, "_sock"):
        yield
        return
    watcher = session.server.tools.loop.io(sock.fileno(), _READABLE)

    def on_readable() -> None:
        watcher.stop()  # further bytes belong to the next request, and end the watch until this one is answered
        with suppress(BlockingIOError):
            if not _peek(sock) and session.polling is polling:
                session.gone("transport close")

    watcher.start(on_readable)
    try:
        yield
    finally:
        watcher.close()


def _peek(sock: Any) -> bool:
    try:
        return bool(sock._sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except ConnectionError:
        return False


def receive(session: "Session", environ: dict[str, Any]) -> None:
    """Queue the packets of a POST and wait until they are handled; raises PacketError."""
    polling = session.polling
    if polling is None or polling.is_posting:
        raise PacketError("concurrent POST")
    polling.is_posting = True
    try:
        limit, discard = session.server.limits.of(is_joining=session.is_joining)
        packets = decode_payload(_body(environ, max(limit, min(discard, _BODY_PACKETS * limit))), limit)
        if "1" in packets and not polling.is_waited_for:
            sleep(_BESIDE_SECONDS)
        session.take_packets(packets)
        seconds = _CHECK_SECONDS
        while session.is_busy:
            sleep(seconds)
            seconds = min(seconds * 2, _CHECK_SECONDS_MAX)
    finally:
        polling.is_posting = False


def _body(environ: dict[str, Any], limit: int) -> bytes:
    length = environ.get("CONTENT_LENGTH") or ""
    if not length.isdecimal():
        raise PacketError("no Content-Length")
    if int(length) > limit:
        raise TooLongError("body too large")
    with Timeout(_BODY_SECONDS, PacketError("body too slow")):
        body: bytes = environ["wsgi.input"].read(int(length))
    if len(body) < int(length):
        raise PacketError("body cut off")
    return body
