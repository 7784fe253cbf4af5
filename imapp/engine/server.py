"""The Engine.IO server: sessions, their requests, and their shared state.

It replaces python-engineio's server below python-socketio. It works on gevent's loop only: under gunicorn's `gevent`
worker, or under gevent's pywsgi for development.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cached_property
from typing import Any

import engineio
from gevent import Greenlet, get_hub, queue, sleep
from gevent.event import Event

from imapp.engine import engineio_packets, websocket_handshake
from imapp.engine.admission import FULL_SECONDS, Admission
from imapp.engine.frames import POLICY
from imapp.engine.greenlet_pool import GreenletPool
from imapp.engine.limits import Limits
from imapp.engine.polling import Polling, TooLongError, poll, receive
from imapp.engine.requests import Refusal, Request, answer, refuse
from imapp.engine.session import Session
from imapp.engine.shared import SharedState
from imapp.engine.upgrading import Probe
from imapp.engine.websocket import WebSocket
from imapp.logs import get_logger
from imapp.telemetry import metrics

log = get_logger(__name__)

#: Maximum number of greenlets for messages of connected clients, and for messages of connecting clients: many
#: connecting clients must not delay the connected ones.
_SERVING, _JOINING = 512, 32

#: The wheel's tick is the shortest heartbeat time divided by this number, within the bounds in seconds.
_TICKS = 25
_TICK_SECONDS = (0.01, 1.0)


def _task(target: Callable[..., Any], args: Iterable[Any] = (), kwargs: dict[str, Any] | None = None) -> Any:
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
        address_of: Callable[[dict[str, Any]], str] = lambda environ: environ.get("REMOTE_ADDR", ""),
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
    def tools(self) -> SharedState:
        """Return the helpers that all connections of the loop share."""
        least, most = _TICK_SECONDS
        resolution = min(most, max(least, min(self.ping_interval, self.ping_timeout) / _TICKS))
        return SharedState(get_hub(), self.limits, resolution)

    @cached_property
    def _serving(self) -> GreenletPool:
        return GreenletPool(_SERVING)

    @cached_property
    def joining(self) -> GreenletPool:
        """Return the turns of sessions that are connecting."""
        return GreenletPool(_JOINING)

    def turns_of(self, session: Session) -> GreenletPool:
        """Return the turns that handle this session's messages."""
        return self.joining if session.is_joining else self._serving

    # -- for python-socketio -----------------------------------------------------------------------------------------

    def send(self, sid: str, data: Any) -> None:
        """Send a message to a session; a session that has ended is ignored."""
        self.send_packet(sid, engineio_packets.OutgoingPacket(engineio_packets.MESSAGE, data))

    def send_packet(self, sid: str, pkt: Any) -> None:
        """Send a packet to a session; a session that has ended is ignored."""
        session = self.sockets.get(sid)
        if session is not None:
            session.send(pkt if isinstance(pkt, engineio_packets.OutgoingPacket) else engineio_packets.adopt(pkt))

    def send_to_many(self, sids: Iterable[str], parts: list[Any]) -> None:
        """Send the same packets to many sessions, flushed in slices between which the loop gets its turn."""
        sockets = self.sockets
        for sid in sids:
            session = sockets.get(sid)
            if session is not None:
                for part in parts:
                    session.send(part, is_room=True)

    def hold(self, sid: str) -> None:
        """Hold packets back while a CONNECT is being decided; they are sent after its answer."""
        session = self.sockets.get(sid)
        if session is not None:
            session.is_greeted = True
            session.hold()

    def release(self, sid: str, first: Any, *, keep: bool) -> None:
        """Send the answer to a CONNECT and then the held packets; `keep` is False for a refusal."""
        session = self.sockets.get(sid)
        if session is not None:
            session.release(first, keep=keep)

    def is_doubtful(self, sid: str) -> bool:
        """Return whether the client has not answered a ping for some seconds, and so may be dead."""
        session = self.sockets.get(sid)
        return session is None or session.is_doubtful()

    def is_greeted(self, sid: str) -> bool:
        """Return whether the session has ever sent a CONNECT."""
        session = self.sockets.get(sid)
        return session is None or session.is_greeted

    def break_off(self, sid: str) -> None:
        """End a session because its client broke a rule."""
        session = self.sockets.get(sid)
        if session is not None:
            session.break_off(self.reason.TRANSPORT_ERROR)

    def message(self, sid: str, data: engineio_packets.Incoming) -> None:
        """Handle a message; log an exception of its handler."""
        try:
            self.handlers["message"](sid, data)
        except Exception:
            log.exception("message_handler_failed")

    def note_refused_origin(self, origin: str) -> None:
        """Count a connection refused for its origin, and log an origin at most once in _ORIGIN_LINE_SECONDS."""
        metrics.CONNECTS_REFUSED.add("origin")
        moment = time.monotonic()
        if moment >= self._next_origin_line:
            self._next_origin_line = moment + _ORIGIN_LINE_SECONDS
            log.warning("origin_refused", origin=origin[:_ORIGIN_CHARS], message="see IM_ALLOWED_ORIGINS")

    def forget(self, session: Session, reason: str) -> None:
        """Remove a session that has ended."""
        self.sockets.pop(session.sid, None)
        session.leave_address()
        if reason.startswith("too slow"):
            metrics.SLOW_CLIENTS.labels(reason.rpartition(" ")[2]).inc()

    # -- requests ----------------------------------------------------------------------------------------------------

    def handle_request(self, environ: dict[str, Any], start_response: Any) -> Any:
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
        self._greeting(session, request, ["websocket"] if self.allow_upgrades else [])
        return engineio_packets.payload(session.polling.wait(0))

    def _serve_polling(self, request: Request, session: Session) -> bytes:
        try:
            if request.method == "GET":
                # Ends the session at its deadline; a pong that this process has not read yet still counts.
                if not session.check_ping_timeout():
                    raise Refusal.unknown_session()
                return engineio_packets.payload(poll(session, request.environ))
            receive(session, request.environ)
        except engineio_packets.PacketError as exc:
            log.info("polling_malformed", reason=str(exc))
            session.break_off(self.reason.TRANSPORT_ERROR)
            raise (Refusal.too_large() if isinstance(exc, TooLongError) else Refusal.malformed()) from exc
        return b"ok"

    def _open_websocket(self, request: Request) -> Any:
        response = websocket_handshake.answer(request.environ)
        if response is None or request.socket is None:
            raise Refusal.malformed()
        if request.session is None:
            session = self._new_session(request)
            session.websocket = self._detach(request, response, session)
            with suppress(Refusal):  # the WebSocket is accepted already: the session is closed instead
                self._greeting(session, request, [])
        elif request.can_upgrade:
            probe = Probe(request.session)
            probe.websocket = self._detach(request, response, probe)
        else:
            self._detach(request, response, None).close(POLICY, "the session has a WebSocket already")
        raise request.end_of_request

    def _detach(self, request: Request, response: bytes, owner: Any) -> WebSocket:
        """Detach the connection from the request.

        It takes the descriptor itself, not a duplicate: epoll would go on reporting the closed original, and libev
        would rebuild its whole set each time.
        """
        websocket = WebSocket(self.tools, request.socket._sock.detach(), owner)
        websocket.send(response)
        return websocket

    def _new_session(self, request: Request) -> Session:
        address = self._address_of(request.environ)
        if self.admission.is_crowded(address):
            metrics.CONNECTS_REFUSED.add("address")
            raise Refusal.busy(FULL_SECONDS)
        seconds = self.admission.refusal(len(self.sockets))
        if seconds:
            metrics.CONNECTS_REFUSED.add("admission")
            raise Refusal.busy(seconds)
        sid = self.generate_id()
        session = self.sockets[sid] = Session(self, sid)
        session.address = address
        self.admission.enter(address)
        return session

    def _greeting(self, session: Session, request: Request, upgrades: list[str]) -> None:
        session.send(
            engineio_packets.opening(
                session.sid,
                upgrades,
                interval=self.ping_interval,
                timeout=self.ping_timeout,
                payload=self.limits.payload_bytes,
            )
        )
        if self.connect_timeout is not None:
            _Deadline(session, self.connect_timeout)
        accepted = self._trigger_event("connect", session.sid, request.environ, run_async=False)
        if accepted is not None and accepted is not True:
            session.close()
            raise Refusal.forbidden()


#: Seconds between two log lines about a refused origin, and the number of its characters that a line shows.
_ORIGIN_LINE_SECONDS = 10.0
_ORIGIN_CHARS = 200

#: Seconds between two checks whether this server has decided a pending CONNECT.
_DECISION_SECONDS = 1.0


class _Deadline:
    """The time limit for a session's CONNECT to be accepted; a refused CONNECT does not extend it."""

    __slots__ = ("_session",)

    def __init__(self, session: Session, seconds: float) -> None:
        self._session = session
        session.server.tools.wheel.add(seconds, self)

    def on_time(self, now: float) -> None:
        """Close the session if its CONNECT has not been accepted."""
        session = self._session
        if session.closed or not session.is_joining:
            return
        if session.is_busy:  # its CONNECT is pending on this server: not the client's fault
            session.server.tools.wheel.add(_DECISION_SECONDS, self)
        else:
            log.info("connect_awaited_in_vain")
            session.break_off("transport error")
