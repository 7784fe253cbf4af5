"""python-socketio's server with this product's dispatch, and its installation in the Flask app.

Differences from the stock server, besides those of `imapp.engine.socketio`: commands go to dispatch.py without a Flask
request and without a greenlet for each (so they stay in order), acks may follow later (after a commit), binary events
are refused, and a socket that never sends CONNECT is closed.
"""

import time
from collections.abc import Callable
from typing import Any, Protocol

from flask import Flask, has_app_context

from imapp.cluster.bus import room_manager
from imapp.cluster.bus.bus import NAMESPACE
from imapp.cluster.bus.room_manager import RoomManager
from imapp.database import transactions
from imapp.engine.socketio import StrictServer
from imapp.engine.socketio_packets import BINARY_ACK, BINARY_EVENT, EnginePacket
from imapp.errors import BinaryNotAllowedError, BusyError, MalformedError, MessageTooLargeError
from imapp.logs import get_logger
from imapp.node import node_of
from imapp.realtime.connections import Connections
from imapp.realtime.dispatch import dispatch, refuse
from imapp.schemas.base import JsonObject
from imapp.telemetry import metrics

log = get_logger(__name__)


#: Maximum number of clients that wait for their handshake, some seconds of work. Further ones are refused as busy, to
#: retry after _RETRY_AFTER_SECONDS.
_JOINING_MAX = 2000
_RETRY_AFTER_SECONDS = 3

#: Seconds that a disconnected client has to close its transport, before the server closes it.
_CLOSING_SECONDS = 2.0


class ProductPacket(EnginePacket):
    """A packet type that accepts up to 8 attachments, to refuse them with an error; more close the connection."""

    attachments_max = 8


class Upkeep(room_manager.Upkeep, Protocol):
    """What the server and its handlers ask of the node's upkeep besides what the room manager asks."""

    def begin(self) -> None:
        """Begin to look after connections; called with the first of them."""

    def record_baselines(self) -> None:
        """Remember the last change of each new conversation here, and the version of each new user's own state."""


class RealtimeServer(StrictServer):
    """The Socket.IO server of one node."""

    manager: RoomManager
    #: Set before the server serves (setup.py).
    upkeep: Upkeep

    def __init__(self, app: Flask, **options: Any) -> None:
        super().__init__(**options)
        self.app = app
        self.connections = Connections()
        #: Whether a token belongs to the login of a connection, which it then prolongs (handshake.py).
        self.is_same_login: Callable[[str, object], bool] = lambda _sid, _auth: False
        #: Sids of clients to disconnect as soon as their handshake is complete.
        self._doomed: set[str] = set()
        #: Whether the node is stopping; it then accepts no new sockets.
        self.is_draining = False

    def seems_dead(self, eio_sid: str) -> bool:
        """Return whether the client of this session may be gone; False with the stock transport, which cannot tell."""
        return self._is_engine and bool(self.eio.is_pong_late(eio_sid))

    def hang_up(self, eio_sid: str) -> None:
        """Close a transport without a Socket.IO DISCONNECT, after which clients would not reconnect."""
        session = self.eio.sockets.get(eio_sid)
        if session is not None:
            session.close(wait=False, abort=True, reason=self.reason.SERVER_DISCONNECT)

    def handle_request(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Serve an Engine.IO request; refuse new sessions while draining (the proxy then tries the next node)."""
        if self.is_draining and "sid=" not in environ.get("QUERY_STRING", ""):
            metrics.CONNECTS_REFUSED.add("draining")
            start_response("503 Service Unavailable", [("Retry-After", "1"), ("Content-Length", "0")])
            return [b""]
        return super().handle_request(environ, start_response)

    def _handle_eio_connect(self, eio_sid: str, environ: dict[str, Any]) -> None:
        if not self.manager_initialized:
            self.upkeep.begin()
        super()._handle_eio_connect(eio_sid, environ)
        if not self._is_engine:  # the engine enforces the timeout itself
            self.connections.waiting[eio_sid] = time.monotonic() + node_of(self.app).settings.connect_timeout_seconds

    def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        self.connections.waiting.pop(eio_sid, None)
        super()._handle_eio_disconnect(eio_sid, reason)

    def accepts_second_connect(self, sid: str, namespace: str, auth: object) -> bool:
        """Return whether a second CONNECT on an open connection has a token of the same login: then it stays open."""
        return self.is_same_login(sid, auth)

    def _finish_connect(self, eio_sid: str, sid: str | None, namespace: str) -> None:
        self.connections.waiting.pop(eio_sid, None)
        super()._finish_connect(eio_sid, sid, namespace)
        if sid is not None and sid in self._doomed:
            self.disconnect(sid, namespace=namespace, ignore_queue=True)
            self._doomed.discard(sid)

    def disconnect(self, sid: str, namespace: str | None = None, ignore_queue: bool = False) -> None:
        """Disconnect a client of this node or, unless `ignore_queue`, of another node.

        If the client does not close its transport, close it after _CLOSING_SECONDS. If its handshake is still running,
        disconnect it after that.
        """
        namespace = namespace or NAMESPACE
        eio_sid = self.manager.eio_sid_from_sid(sid, namespace)
        if sid in self.manager.pending_connect.get(namespace, ()):
            self._doomed.add(sid)
        super().disconnect(sid, namespace=namespace, ignore_queue=ignore_queue)
        if eio_sid is not None:
            self.start_background_task(self._close_later, eio_sid)

    def _close_later(self, eio_sid: str) -> None:
        """Close the transport of a disconnected client that has not closed it itself within _CLOSING_SECONDS."""
        self.sleep(_CLOSING_SECONDS)
        self.hang_up(eio_sid)

    def _call_connect_handler(self, eio_sid: str, sid: str, namespace: str, auth: Any) -> Any:
        if self._is_engine and self.eio.connecting_pool.waiting > _JOINING_MAX:
            metrics.CONNECTS_REFUSED.add(BusyError.code)
            error = BusyError(
                "Too many clients are connecting. Try again later.", retry_after=_RETRY_AFTER_SECONDS
            ).payload()
            return {"message": error.pop("message"), "data": error}
        refusal = super()._call_connect_handler(eio_sid, sid, namespace, auth)
        if refusal is not None:
            self._doomed.discard(sid)
        return refusal

    def _handle_packet(self, eio_sid: str, packet: Any) -> None:
        if packet.packet_type == BINARY_EVENT:
            refuse(None, BinaryNotAllowedError(), lambda ack: self._reply(eio_sid, packet.namespace, packet.id, ack))
        elif packet.packet_type != BINARY_ACK:
            super()._handle_packet(eio_sid, packet)

    def refuse_packet(self, eio_sid: str, namespace: str, packet_id: int | None, *, is_too_large: bool) -> bool:
        """Refuse a too large or malformed packet of an authenticated client; return False to close the connection.

        It is closed if the client is not authenticated or sent too many such packets. A packet without an ack id gets
        no answer: it is only counted and logged.
        """
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace)
        connection = None if sid is None else self.connections.get(sid)
        if connection is None or connection.offend():
            return False
        error = MessageTooLargeError() if is_too_large else MalformedError("The packet is not valid JSON.")
        log.info("packet_refused", user_id=connection.user_id, sid=sid, code=error.code, is_told=packet_id is not None)
        refuse(None, error, lambda ack: self._reply(eio_sid, namespace, packet_id, ack))
        return True

    def _handle_event(self, eio_sid: str, namespace: str | None, id: int | None, data: Any) -> None:  # noqa: A002 - the library's name
        connection = self.connections.get(self.manager.sid_from_eio_sid(eio_sid, namespace or NAMESPACE))
        if connection is None:
            return
        if not has_app_context():
            self.app.app_context().push()  # kept for all events that this greenlet will handle
        try:
            dispatch(connection, data[0], data[1:], lambda ack: self._reply(eio_sid, namespace, id, ack))
        finally:
            transactions.release()

    def _reply(self, eio_sid: str, namespace: str | None, packet_id: int | None, answer: JsonObject) -> None:
        if packet_id is not None:
            self.acknowledge(eio_sid, namespace, packet_id, [answer])
