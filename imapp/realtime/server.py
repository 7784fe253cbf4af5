"""python-socketio's server with this product's dispatch, and its installation in the Flask app.

Differences from the stock server, besides those of `imapp.engine.socketio`: commands go to dispatch.py without a Flask
request and without a greenlet for each (so they stay in order), acks may follow later (after a commit), binary events
are refused, and a socket that never sends CONNECT is closed.
"""

import time
from typing import Any

import socketio as sio
from flask import Flask, has_app_context

from imapp import database, metrics
from imapp.cluster import presence
from imapp.cluster import traces as cluster_traces
from imapp.cluster.brokers import make_broker
from imapp.cluster.bus import NAMESPACE
from imapp.cluster.wire import SID_MARK
from imapp.engine.grammar import BINARY_ACK, BINARY_EVENT, EnginePacket
from imapp.engine.socketio import StrictServer
from imapp.errors import BinaryNotAllowedError, BusyError, MalformedError, MessageTooLargeError
from imapp.extensions import socketio
from imapp.logs import add_source, get_logger
from imapp.realtime import catching_up, handshake, housekeeping, transports
from imapp.realtime.cluster_rooms import ClusterManager
from imapp.realtime.connections import Connections
from imapp.realtime.dispatch import command_at_hand, dispatch, refuse
from imapp.realtime.presence_changes import PresenceChanges
from imapp.realtime.rebalancing import Rebalancer
from imapp.realtime.reconciliation import Reconciler
from imapp.services import traces

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


class RealtimeServer(StrictServer):
    """See the module."""

    def __init__(self, app: Flask, **options: Any) -> None:
        super().__init__(**options)
        self.app = app
        self.connections = Connections()
        #: Connections that may be in the wrong rooms, and connections that could not be checked.
        self.unchecked = catching_up.Gathering(lambda: self.start_background_task(catching_up.recheck, self))
        self.unlooked = catching_up.Gathering(lambda: self.start_background_task(catching_up.run_again, self))
        #: Sids of clients to disconnect as soon as their handshake is complete.
        self._doomed: set[str | None] = set()
        #: Whether the node is stopping; it then accepts no new sockets.
        self.is_draining = False
        #: Moves clients to nodes that join; None without Redis.
        self.rebalancer: Rebalancer | None = None
        #: Detects lost pushes; None until the node serves.
        self.reconciler: Reconciler | None = None
        self.on("connect", lambda sid, _environ, auth=None: handshake.on_connect(self, sid, auth))
        self.on("disconnect", lambda sid, reason: handshake.on_disconnect(self, sid, reason))

    def start(self) -> None:
        """Start the bus and the background tasks; in the process that serves, after gevent's patches."""
        self.manager.start()
        self.reconciler = Reconciler(self, self.manager.told)
        self.start_background_task(self.reconciler.run)
        if self.rebalancer is not None:
            self.start_background_task(self.rebalancer.run)
        log.info("socketio_server_started", message="SocketIO服务器启动成功")

    def catch_up(self, sids: list[str], reason: str) -> None:
        """Check connections that may have missed events, and tell their clients to sync, in the background."""
        if sids:
            self.start_background_task(catching_up.run, self, sids, reason)

    def recheck(self, sids: list[str]) -> None:
        """Check soon, in the background, whether these connections are in the right rooms."""
        self.unchecked.put(sids)

    def reconcile(self, *, is_node_lost: bool) -> None:
        """Compare soon, in the background, what has been pushed with what is stored."""
        if self.reconciler is not None:
            self.reconciler.ask(is_node_lost=is_node_lost)

    def note_heads(self) -> None:
        """Read the stored numbers of conversations and users new to this node; in an app context, before they sync."""
        if self.reconciler is not None:
            self.reconciler.adopt()

    def seems_dead(self, eio_sid: str) -> bool:
        """Return whether the client of this session may be gone; False with the stock transport, which cannot tell."""
        return self._is_engine and bool(self.eio.is_doubtful(eio_sid))

    def hang_up(self, eio_sid: str) -> None:
        """Close a transport without a Socket.IO DISCONNECT, after which clients would not reconnect."""
        session = self.eio.sockets.get(eio_sid)
        if session is not None:
            session.close(wait=False, abort=True, reason=self.reason.SERVER_DISCONNECT)

    def take_order(self, action: str, argument: Any = None) -> None:
        """Carry out an order of another node or an operator to this node."""
        if action == "drain":
            log.info("drain_ordered")
            self.app.extensions["imapp.stop"]()
        elif action == "rebalance" and self.rebalancer is not None:
            self.rebalancer.ask()
        elif action == "log_level" and "imapp.logs" in self.app.extensions:
            self.app.extensions["imapp.logs"].levels.change(*argument)
        elif action == traces.ORDER:
            self.start_background_task(traces.reply, self.app, argument)

    def handle_request(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Serve an Engine.IO request; refuse new sessions while draining (the proxy then tries the next node)."""
        if self.is_draining and "sid=" not in environ.get("QUERY_STRING", ""):
            metrics.CONNECTS_REFUSED.add("draining")
            start_response("503 Service Unavailable", [("Retry-After", "1"), ("Content-Length", "0")])
            return [b""]
        return super().handle_request(environ, start_response)

    def _handle_eio_connect(self, eio_sid: str, environ: dict[str, Any]) -> None:
        if not self.manager_initialized:
            self.start_background_task(housekeeping.run, self)
        super()._handle_eio_connect(eio_sid, environ)
        if not self._is_engine:  # the engine enforces the timeout itself
            self.connections.waiting[eio_sid] = time.monotonic() + self.app.config["IMAPP"].connect_timeout_seconds

    def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        self.connections.waiting.pop(eio_sid, None)
        super()._handle_eio_disconnect(eio_sid, reason)

    def connects_again(self, sid: str, namespace: str, auth: Any) -> bool:
        """Return whether a second CONNECT on an open connection has a token of the same login: then it stays open."""
        return handshake.is_same_login(self, sid, auth)

    def _has_connected(self, eio_sid: str, sid: str | None, namespace: str) -> None:
        self.connections.waiting.pop(eio_sid, None)
        super()._has_connected(eio_sid, sid, namespace)
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

    def _ask(self, eio_sid: str, sid: str, namespace: str, auth: Any) -> Any:
        if self._is_engine and self.eio.joining.waiting > _JOINING_MAX:
            metrics.CONNECTS_REFUSED.add(BusyError.code)
            error = BusyError(
                "Too many clients are connecting. Try again later.", retry_after=_RETRY_AFTER_SECONDS
            ).payload()
            return {"message": error.pop("message"), "data": error}
        refusal = super()._ask(eio_sid, sid, namespace, auth)
        if refusal is not None:
            self._doomed.discard(sid)
        return refusal

    def _hand_over(self, eio_sid: str, packet: Any) -> None:
        if packet.packet_type == BINARY_EVENT:
            refuse(None, BinaryNotAllowedError(), lambda ack: self._reply(eio_sid, packet.namespace, packet.id, ack))
        elif packet.packet_type != BINARY_ACK:
            super()._hand_over(eio_sid, packet)

    def excuse(self, eio_sid: str, namespace: str, packet_id: int | None, *, is_too_large: bool) -> bool:
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
            database.release()

    def _reply(self, eio_sid: str, namespace: str | None, packet_id: int | None, answer: dict[str, Any]) -> None:
        if packet_id is not None:
            self.acknowledge(eio_sid, namespace, packet_id, [answer])


def init_realtime(app: Flask, async_mode: str) -> RealtimeServer:
    """Bind Flask-SocketIO to the app with this server in place of the stock one."""
    add_source(command_at_hand)
    plain = app.wsgi_app
    settings = app.config["IMAPP"]
    manager = ClusterManager(
        make_broker(settings), cluster=settings.cluster_name, node_id=settings.node_id, ring=cluster_traces.of_app(app)
    )
    options = {
        "async_mode": async_mode,
        "async_handlers": False,
        "client_manager": manager,
        "cors_allowed_origins": transports.allowed_origins(settings),
        "json": ProductPacket.json,
        "max_http_buffer_size": settings.max_payload_bytes,
        "ping_interval": settings.ping_interval_seconds,
        "ping_timeout": settings.ping_timeout_seconds,
        "serializer": ProductPacket,
    }
    socketio.init_app(app, **options)
    server = RealtimeServer(app, **options, **transports.options(settings, async_mode))
    transports.prepare(server, settings)
    stock_id = server.eio.generate_id
    # Proxies and nodes read from a session id to which node the session belongs.
    server.eio.generate_id = lambda: f"{settings.node_id}{SID_MARK}{stock_id()}"
    socketio.server = app.extensions["imapp.server"] = server
    app.wsgi_app = sio.WSGIApp(server, plain, socketio_path="socket.io")  # type: ignore[method-assign]  # Flask's own advice for middleware
    if settings.redis_url:
        server.rebalancer = Rebalancer(
            server,
            node_id=settings.node_id,
            per_second=settings.reconnects_per_second,
            is_automatic=settings.rebalance,
        )
    presence.local_of(app).on_change = PresenceChanges(server).note
    return server
