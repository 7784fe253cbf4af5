"""The Engine.IO server: sessions, their requests, and their shared state.

It replaces python-engineio's server below python-socketio. It works on gevent's loop only: under gunicorn's `gevent`
worker, or under gevent's pywsgi for development.
"""

import _socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cached_property
from typing import Any, NoReturn
from wsgiref.types import StartResponse, WSGIEnvironment

import engineio
from engineio.packet import Packet
from gevent import Greenlet, get_hub, queue, sleep
from gevent.event import Event

from imapp.engine import engineio_packets, websocket_handshake
from imapp.engine.admission import FULL_SECONDS, Admission
from imapp.engine.event_loop import EventLoop
from imapp.engine.frames import POLICY
from imapp.engine.greenlet_pool import GreenletPool
from imapp.engine.limits import Limits
from imapp.engine.polling import Polling
from imapp.engine.polling_requests import TooLongError, get_packets, post_packets
from imapp.engine.requests import Refusal, Request, answer, refuse
from imapp.engine.session import Session
from imapp.engine.upgrading import UpgradeProbe
from imapp.engine.websocket import Owner, WebSocket
from imapp.logs import get_logger
from imapp.telemetry import metrics

log = get_logger(__name__)

#: Maximum number of greenlets for messages of connected clients, and for messages of connecting clients: many
#: connecting clients must not delay the connected ones.
_CONNECTED_GREENLETS, _CONNECTING_GREENLETS = 512, 32

#: The wheel's tick is the shortest heartbeat time divided by this number, within the bounds in seconds.
_TICKS = 25
_TICK_SECONDS = (0.01, 1.0)


def _task(
    target: Callable[..., object], args: Iterable[object] = (), kwargs: dict[str, object] | None = None
) -> "Greenlet[..., object]":
    """Return a greenlet, made with the arguments of a thread."""
    return Greenlet(target, *args, **(kwargs or {}))


#: What python-engineio's driver for gevent gives to its server. That driver imports gevent-websocket if it is
#: installed.
_DRIVER = {
    "thread": _task,
    "queue": queue.JoinableQueue,
    "queue_empty": queue.Empty,
    "event": Event,
    "websocket": None,
    "sleep": sleep,
}


class EngineServer(engineio.Server):  # type: ignore[misc]  # the library has no types
    """The sessions of a process, with the interface of python-engineio's Server.

    `connect_timeout`: seconds in which a client's CONNECT must be accepted; None: no limit. `address_of`: returns the
    client's address for the limits, given the environ of a request.
    """

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        admission: Admission | None = None,
        connect_timeout: float | None = None,
        address_of: Callable[[WSGIEnvironment], str] = lambda environ: environ.get("REMOTE_ADDR", ""),
        **options: Any,
    ) -> None:
        super().__init__(**{**options, "async_mode": "threading", "monitor_clients": False})
        self.async_mode, self._async = "gevent", _DRIVER
        self.limits = limits or Limits(payload_bytes=self.max_http_buffer_size)
        self.admission = admission or Admission()
        self.connect_timeout = connect_timeout
        self._address_of = address_of
        #: Time from which a refused origin is logged again (monotonic).
        self._next_origin_line = 0.0

    # -- state of the serving process, created with the first session ------------------------------------------------

    @cached_property
    def event_loop(self) -> EventLoop:
        """Return the event loop that all connections share."""
        least, most = _TICK_SECONDS
        resolution = min(most, max(least, min(self.ping_interval, self.ping_timeout) / _TICKS))
        return EventLoop(get_hub(), resolution)

    @cached_property
    def _connected_pool(self) -> GreenletPool:
        return GreenletPool(_CONNECTED_GREENLETS)

    @cached_property
    def connecting_pool(self) -> GreenletPool:
        """Return the greenlets that handle the messages of clients whose CONNECT is not accepted yet."""
        return GreenletPool(_CONNECTING_GREENLETS)

    def pool(self, *, is_connecting: bool) -> GreenletPool:
        """Return the greenlets that handle the messages of connecting or of connected clients."""
        return self.connecting_pool if is_connecting else self._connected_pool

    # -- for python-socketio -----------------------------------------------------------------------------------------

    def send(self, sid: str, data: str | bytes) -> None:
        """Send a message to a session; a session that has ended is ignored."""
        self.send_packet(sid, engineio_packets.OutgoingPacket(engineio_packets.MESSAGE, data))

    def send_packet(self, sid: str, pkt: engineio_packets.OutgoingPacket | Packet) -> None:
        """Send a packet to a session; a session that has ended is ignored."""
        session = self.sockets.get(sid)
        if session is not None:
            session.send(
                pkt if isinstance(pkt, engineio_packets.OutgoingPacket) else engineio_packets.from_engineio(pkt)
            )

    def send_to_many(self, sids: Iterable[str], parts: list[engineio_packets.OutgoingPacket]) -> None:
        """Send the same packets to many sessions, flushed in slices between which the loop gets its turn."""
        sockets = self.sockets
        for sid in sids:
            session = sockets.get(sid)
            if session is not None:
                for part in parts:
                    session.send(part, is_room=True)

    def hold_packets(self, sid: str) -> None:
        """Hold packets back while a CONNECT is being decided; they are sent after its answer."""
        session = self.sockets.get(sid)
        if session is not None:
            session.hold_packets()

    def answer_connect(self, sid: str, answer: engineio_packets.OutgoingPacket, *, is_accepted: bool) -> None:
        """Send the answer to a CONNECT and then the packets that were held back."""
        session = self.sockets.get(sid)
        if session is not None:
            session.answer_connect(answer, is_accepted=is_accepted)

    def is_pong_late(self, sid: str) -> bool:
        """Return whether the client has not answered a ping for some seconds, and so may be dead."""
        session = self.sockets.get(sid)
        return session is None or session.heartbeat.is_pong_late()

    def has_sent_connect(self, sid: str) -> bool:
        """Return whether the session has ever sent a CONNECT."""
        session = self.sockets.get(sid)
        return session is None or session.has_sent_connect

    def abort(self, sid: str) -> None:
        """End a session because its client broke a rule."""
        session = self.sockets.get(sid)
        if session is not None:
            session.abort(self.reason.TRANSPORT_ERROR)

    # -- for sessions and requests (SessionHost, RequestHost) --------------------------------------------------------

    def handle_message(self, sid: str, data: engineio_packets.Incoming) -> None:
        """Handle a message; log an exception of its handler."""
        try:
            self.handlers["message"](sid, data)
        except Exception:
            log.exception("message_handler_failed")

    def handle_disconnect(self, sid: str, reason: str | None) -> None:
        """Call the application's disconnect handler."""
        self._trigger_event("disconnect", sid, reason, run_async=False)

    def report_refused_origin(self, origin: str) -> None:
        """Count a connection refused for its origin, and log an origin at most once in _ORIGIN_LINE_SECONDS."""
        metrics.CONNECTS_REFUSED.add("origin")
        moment = time.monotonic()
        if moment >= self._next_origin_line:
            self._next_origin_line = moment + _ORIGIN_LINE_SECONDS
            log.warning("origin_refused", origin=origin[:_ORIGIN_CHARS], message="see IM_ALLOWED_ORIGINS")

    def remove_session(self, sid: str, reason: str) -> None:
        """Remove a session that has ended."""
        self.sockets.pop(sid, None)
        if reason.startswith("too slow"):
            metrics.SLOW_CLIENTS.labels(reason.rpartition(" ")[2]).inc()

    # -- requests ----------------------------------------------------------------------------------------------------

    def handle_request(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        """Serve one request; a WebSocket takes the file descriptor over, and its request ends without a response."""
        request = Request(environ, self)
        try:
            if request.is_preflight:
                return answer(request, start_response, b"")
            request.check()
            if request.wants_websocket:
                return self._open_websocket(request)
            if request.session is None:
                return answer(request, start_response, self._open_polling(request))
            return answer(request, start_response, self._serve_polling(request, request.session))
        except Refusal as refusal:
            return refuse(request, start_response, refusal)

    def _open_polling(self, request: Request) -> bytes:
        session = self._new_session(request)
        session.polling = Polling()
        self._begin_session(session, request, ["websocket"] if self.allow_upgrades else [])
        return engineio_packets.encode_payload(session.polling.wait(0))

    def _serve_polling(self, request: Request, session: Session) -> bytes:
        try:
            if request.method == "GET":
                # Ends the session at its deadline; a pong that this process has not read yet still counts.
                if not session.heartbeat.check_deadline():
                    raise Refusal.unknown_session()
                return engineio_packets.encode_payload(get_packets(session, request.environ))
            post_packets(session, request.environ)
        except engineio_packets.PacketError as exc:
            log.info("polling_malformed", reason=str(exc))
            session.abort(self.reason.TRANSPORT_ERROR)
            raise (Refusal.too_large() if isinstance(exc, TooLongError) else Refusal.malformed()) from exc
        return b"ok"

    def _open_websocket(self, request: Request) -> NoReturn:
        response, sock = websocket_handshake.accept(request.environ), request.socket
        if response is None or sock is None:
            raise Refusal.malformed()
        if request.session is None:
            session = self._new_session(request)
            session.websocket = self._new_websocket(sock, response, session)
            with suppress(Refusal):  # the WebSocket is accepted already: the session is closed instead
                self._begin_session(session, request, [])
        elif request.can_upgrade:
            probe = UpgradeProbe(request.session)
            probe.websocket = self._new_websocket(sock, response, probe)
        else:
            self._new_websocket(sock, response, None).close(POLICY, "the session has a WebSocket already")
        raise request.end_of_request

    def _new_websocket(self, sock: _socket.socket, response: bytes, owner: Owner | None) -> WebSocket:
        """Return a WebSocket on the connection of a request, which is detached from the request.

        It takes the descriptor itself, not a duplicate: epoll would go on reporting the closed original, and libev
        would rebuild its whole set each time.
        """
        websocket = WebSocket(self.event_loop, self.limits, sock.detach(), owner)
        websocket.send_buffer.send(response)
        return websocket

    def _new_session(self, request: Request) -> Session:
        address = self._address_of(request.environ)
        if self.admission.is_crowded(address):
            metrics.CONNECTS_REFUSED.add("address")
            raise Refusal.busy(FULL_SECONDS)
        seconds = self.admission.retry_after(len(self.sockets))
        if seconds:
            metrics.CONNECTS_REFUSED.add("admission")
            raise Refusal.busy(seconds)
        sid = self.generate_id()
        session = self.sockets[sid] = Session(self, sid)
        session.address = address
        self.admission.enter(address)
        return session

    def _begin_session(self, session: Session, request: Request, upgrades: list[str]) -> None:
        session.send(
            engineio_packets.open_packet(
                session.sid,
                upgrades,
                interval=self.ping_interval,
                timeout=self.ping_timeout,
                payload=self.limits.payload_bytes,
            )
        )
        if self.connect_timeout is not None:
            _ConnectDeadline(session, self.connect_timeout)
        accepted = self._trigger_event("connect", session.sid, request.environ, run_async=False)
        if accepted is not None and accepted is not True:
            session.close()
            raise Refusal.forbidden()


#: Seconds between two log lines about a refused origin, and the number of its characters that a line shows.
_ORIGIN_LINE_SECONDS = 10.0
_ORIGIN_CHARS = 200

#: Seconds between two checks whether this server has decided a pending CONNECT.
_DECISION_SECONDS = 1.0


class _ConnectDeadline:
    """The time limit for a session's CONNECT to be accepted; a refused CONNECT does not extend it."""

    __slots__ = ("_session",)

    def __init__(self, session: Session, seconds: float) -> None:
        self._session = session
        session.host.event_loop.timer_wheel.add(seconds, self)

    def on_timer(self, now: float) -> None:
        """Close the session if its CONNECT has not been accepted."""
        session = self._session
        if session.closed or not session.is_connecting:
            return
        if session.is_busy:  # its CONNECT is pending on this server: not the client's fault
            session.host.event_loop.timer_wheel.add(_DECISION_SECONDS, self)
        else:
            log.info("connect_awaited_in_vain")
            session.abort("transport error")
