"""The requests of Engine.IO's long-polling: a GET takes packets, a POST brings them."""

import _socket
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from wsgiref.types import WSGIEnvironment

from gevent import Timeout, sleep

from imapp.engine.engineio_packets import OutgoingPacket, PacketError, decode_payload
from imapp.engine.polling import Polling
from imapp.engine.requests import connection
from imapp.engine.session import Session
from imapp.engine.watchers import READABLE

#: Seconds until the first check whether the packets of a POST are handled, and at most between two checks.
_CHECK_SECONDS, _CHECK_SECONDS_MAX = 0.001, 0.05

#: Seconds to wait for a client's last GET, which it sends together with its close packet.
_LAST_GET_SECONDS = 0.1

#: Seconds in which the whole body of a POST must arrive.
_BODY_SECONDS = 10

#: Maximum size of a body, as a multiple of the maximum size of a packet. Below it, packets beyond the limit are
#: refused one by one.
_BODY_PACKETS = 4


class TooLongError(PacketError):
    """Raised when a body is larger than its session may send."""


def get_packets(session: Session, environ: WSGIEnvironment) -> list[OutgoingPacket]:
    """Return the packets for a GET; raises PacketError while another GET waits."""
    polling = session.polling
    if polling is None or polling.has_waiting_get:
        raise PacketError("concurrent GET")
    with _ended_if_dropped(session, polling, environ):
        return polling.wait(session.host.ping_interval + session.host.ping_timeout)


@contextmanager
def _ended_if_dropped(session: Session, polling: Polling, environ: WSGIEnvironment) -> Iterator[None]:
    """End the session if the client drops its GET, because the packets of the answer would be lost.

    The session stays if the client has upgraded to a WebSocket meanwhile.
    """
    sock = connection(environ)
    if sock is None:
        yield
        return
    watcher = session.host.event_loop.hub.loop.io(sock.fileno(), READABLE)

    def on_readable() -> None:
        watcher.stop()  # further bytes belong to the next request, and end the watch until this one is answered
        with suppress(BlockingIOError):
            if _has_ended(sock) and session.polling is polling:
                session.connection_lost("transport close")

    watcher.start(on_readable)
    try:
        yield
    finally:
        watcher.close()


def _has_ended(sock: _socket.socket) -> bool:
    try:
        return not sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except ConnectionError:
        return True


def post_packets(session: Session, environ: WSGIEnvironment) -> None:
    """Queue the packets of a POST and wait until they are handled; raises PacketError."""
    polling = session.polling
    if polling is None or polling.is_posting:
        raise PacketError("concurrent POST")
    polling.is_posting = True
    try:
        limit, discard = session.host.limits.message_bytes(is_connecting=session.is_connecting)
        packets = decode_payload(_body(environ, max(limit, min(discard, _BODY_PACKETS * limit))), limit)
        if "1" in packets and not polling.has_waiting_get:
            sleep(_LAST_GET_SECONDS)
        session.handle_packets(packets)
        seconds = _CHECK_SECONDS
        while session.is_busy:
            sleep(seconds)
            seconds = min(seconds * 2, _CHECK_SECONDS_MAX)
    finally:
        polling.is_posting = False


def _body(environ: WSGIEnvironment, limit: int) -> bytes:
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
