"""Engine.IO's long-polling: packets wait for the client's next GET, or a GET waits for packets."""

import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from gevent import Timeout, sleep
from gevent.event import Event

from imapp.engine.packets import NOOP, Out, PacketError, decode_payload
from imapp.engine.requests import connection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imapp.engine.session import Session


_NOOP = Out(NOOP)

#: Seconds until the first look whether what a request brought is handled, and at most between two.
_LOOK_SECONDS, _LOOK_SECONDS_MAX = 0.001, 0.05

#: Seconds that a client's last poll, sent beside its close, may come after it.
_BESIDE_SECONDS = 0.1

#: Seconds that the whole body of a POST may take to arrive.
_BODY_SECONDS = 10

_READABLE = 1


#: A body of several packets may be so many times larger than one packet; what exceeds is refused packet by packet.
_BODY_PACKETS = 4


class TooLongError(PacketError):
    """A body is larger than its session may send."""


class Polling:
    """What waits for a client that polls."""

    __slots__ = ("_event", "_packets", "is_posting", "is_probed", "size")

    def __init__(self) -> None:
        self._packets: list[Any] = []
        #: Set when the GET that waits is to be answered; None while none waits.
        self._event: Event | None = None
        #: Whether a POST is under way, and whether the client is trying a WebSocket.
        self.is_posting = False
        self.is_probed = False
        #: Characters that wait.
        self.size = 0

    @property
    def is_waited_for(self) -> bool:
        """Whether a GET is under way."""
        return self._event is not None

    def put(self, packet: Any) -> None:
        """Give a packet to the GET that waits, or the next."""
        self._packets.append(packet)
        self.size += len(packet.data)
        self._wake()

    def _wake(self) -> None:
        if self._event is not None and not (self.is_probed and self._packets != [_NOOP]):
            self._event.set()

    def probe(self) -> None:
        """The client tries a WebSocket: the GET that waits ends, and packets are kept for the WebSocket."""
        self.is_probed = True
        if self._event is not None:
            self._event.set()

    def leave(self) -> list[Any]:
        """The client has a WebSocket: a GET that waits gets a NOOP; gives what is left for the WebSocket."""
        left, self._packets = self._packets, []
        self.end(_NOOP)
        return left

    def end(self, last: Out) -> None:
        """The end of polling: a GET that waits gets what there is, and `last`."""
        self._packets.append(last)
        self.is_probed = False
        self._wake()

    def wait(self, seconds: float) -> list[Any]:
        """The packets of a GET; waits for them."""
        if not self._packets and not self.is_probed:
            self._event = Event()
            self._event.wait(seconds)
            self._event = None
        if self.is_probed:
            return [_NOOP]
        packets, self._packets, self.size = self._packets, [], 0
        return packets or [_NOOP]


def poll(session: "Session", environ: dict[str, Any]) -> list[Any]:
    """Answer a GET; raises PacketError when one is under way already."""
    polling = session.polling
    if polling is None or polling.is_waited_for:
        raise PacketError("a second poll")
    server = session.server
    with _watched(session, polling, environ):
        return polling.wait(server.ping_interval + server.ping_timeout)


@contextmanager
def _watched(session: "Session", polling: Polling, environ: dict[str, Any]) -> "Iterator[None]":
    """End the session when the client drops the request: what was meant for it would be lost.

    Unless the client has a WebSocket by now.
    """
    sock = connection(environ)
    if not hasattr(sock, "_sock"):
        yield
        return
    watcher = session.server.tools.loop.io(sock.fileno(), _READABLE)

    def look() -> None:
        watcher.stop()  # more bytes are the next request: nothing to watch until this one is answered
        with suppress(BlockingIOError):
            if not _peek(sock) and session.polling is polling:
                session.gone("transport close")

    watcher.start(look)
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
    """Take the packets of a POST and wait until they are handled; raises PacketError."""
    polling = session.polling
    if polling is None or polling.is_posting:
        raise PacketError("a second request that sends")
    polling.is_posting = True
    try:
        limit, discard = session.server.limits.of(is_joining=session.is_joining)
        packets = decode_payload(_body(environ, max(limit, min(discard, _BODY_PACKETS * limit))), limit)
        if "1" in packets and not polling.is_waited_for:
            sleep(_BESIDE_SECONDS)
        session.take_packets(packets)
        seconds = _LOOK_SECONDS
        while session.is_busy:
            sleep(seconds)
            seconds = min(seconds * 2, _LOOK_SECONDS_MAX)
    finally:
        polling.is_posting = False


def _body(environ: dict[str, Any], limit: int) -> bytes:
    length = environ.get("CONTENT_LENGTH") or ""
    if not length.isdecimal():
        raise PacketError("no length")
    if int(length) > limit:
        raise TooLongError("too long")
    with Timeout(_BODY_SECONDS, PacketError("too slow")):
        body: bytes = environ["wsgi.input"].read(int(length))
    if len(body) < int(length):
        raise PacketError("cut off")
    return body
