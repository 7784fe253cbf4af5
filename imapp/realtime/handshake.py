"""Connecting and disconnecting: authenticates the user and puts the connection into the user's rooms."""

import time

from socketio.exceptions import ConnectionRefusedError as Refused

from imapp.cluster import trace_ring
from imapp.cluster.bus import bus
from imapp.cluster.registry import presence
from imapp.cluster.registry.registry import ConnectionInfo
from imapp.database import errors, transactions
from imapp.errors import (
    AppError,
    BusyError,
    InvalidTokenError,
    SessionRevokedError,
    TokenExpiredError,
    TooManyConnectionsError,
    UnavailableError,
)
from imapp.logs import get_logger
from imapp.node import node_of
from imapp.realtime.connections import Connection
from imapp.realtime.server import RealtimeServer
from imapp.services.accounts import authentication
from imapp.telemetry import metrics

log = get_logger(__name__)

#: Seconds after which a user with too many connections may retry: a dead connection is detected within about this time.
_RETRY_AFTER_SECONDS = 30

#: Maximum number of times that memberships are read for a connection, if any user's memberships change meanwhile.
MEMBERSHIP_READS_MAX = 5

#: The labels in metrics for the reasons of disconnects.
_KINDS = {
    "client disconnect": "client",
    "server disconnect": "server",
    "ping timeout": "ping_timeout",
    "transport close": "transport_close",
    "transport error": "transport_error",
    "too slow: bytes": "too_slow",
    "too slow: seconds": "too_slow",
}
for _kind in (*_KINDS.values(), "other"):
    metrics.DISCONNECTS.add(_kind, count=0)
for _error in (
    InvalidTokenError,
    TokenExpiredError,
    SessionRevokedError,
    TooManyConnectionsError,
    BusyError,
    UnavailableError,
    AppError,
):
    metrics.CONNECTS_REFUSED.add(_error.code, count=0)
for _reason in ("draining", "admission", "address", "origin"):
    metrics.CONNECTS_REFUSED.add(_reason, count=0)


def on_connect(server: RealtimeServer, sid: str, auth: object) -> None:
    """Authenticate the user by the token in the Socket.IO auth payload and enter the user's rooms.

    A refusal is raised with {"message", "data": {"code"}}.
    """
    with server.app.app_context():
        try:
            actor = authentication.authenticate(_token(auth))
            # A client that states another user than its token's would display one user and write as another.
            if isinstance(auth, dict) and auth.get("user_id", actor.user_id) != actor.user_id:
                raise InvalidTokenError
            enforce_connection_limit(server, actor.user_id)
            connection = Connection(sid, actor.user_id, actor.session_id, actor.expires_at)
            is_subscribed = _enter_rooms(server, connection)
            server.upkeep.record_baselines()
        except Exception as exc:  # noqa: BLE001 - every failure of a connect becomes a refusal
            raise _refusal(exc) from None
    server.connections.add(connection)
    metrics.CONNECTS.inc()
    presence.local_of(server.app).connect(
        ConnectionInfo(sid, actor.user_id, actor.session_id, actor.platform, actor.device, time.time())
    )
    node_id = node_of(server.app).settings.node_id
    message = f"用户 [{actor.user_id}] 已连接到节点 {node_id}"
    log.info("user_connected", user_id=actor.user_id, session_id=actor.session_id, sid=sid, message=message)
    if not is_subscribed:
        server.start_background_task(_catch_up_when_subscribed, server, sid)


def on_disconnect(server: RealtimeServer, sid: str, reason: str) -> None:
    """Remove the connection. Must not block: python-engineio calls it from its timeout task."""
    connection = server.connections.pop(sid)
    if connection is None:
        return
    metrics.DISCONNECTS.add(_KINDS.get(reason, "other"))
    trace_ring.of_app(server.app).note_gone(sid, connection.user_id, connection.session_id, _KINDS.get(reason, "other"))
    log.info("user_disconnected", user_id=connection.user_id, sid=sid, reason=reason)
    presence.local_of(server.app).disconnect(sid)


def enforce_connection_limit(server: RealtimeServer, user_id: int) -> None:
    """If the user has too many connections, close one that seems dead, or else raise TooManyConnectionsError.

    A device on a bad network leaves dead connections behind that last until their ping times out. Live connections are
    not closed for a new one: their clients would reconnect at once and close each other's connections endlessly.
    """
    settings = node_of(server.app).settings
    present = server.manager.get_participants(bus.NAMESPACE, bus.user_room(user_id))
    if len(present) < settings.max_connections_per_user or not settings.rate_limits:
        return
    for sid, eio_sid in present:
        if server.seems_dead(eio_sid):
            log.info("dead_connection_replaced", user_id=user_id, sid=sid)
            server.hang_up(eio_sid)
            return
    raise TooManyConnectionsError(retry_after=_RETRY_AFTER_SECONDS)


def is_same_login(server: RealtimeServer, sid: str, auth: object) -> bool:
    """Return whether a token belongs to the login of this connection; if so, extend the connection to its expiry."""
    connection = server.connections.get(sid)
    with server.app.app_context():
        try:
            actor = authentication.authenticate(_token(auth))
        except Exception:  # noqa: BLE001 - with any failure it is not the same login
            return False
    if connection is None or (actor.user_id, actor.session_id) != (connection.user_id, connection.session_id):
        return False
    connection.renew(actor.expires_at)
    return True


def _token(auth: object) -> str:
    token = auth.get("token") if isinstance(auth, dict) else None
    if not isinstance(token, str):
        raise InvalidTokenError
    return token


def _refusal(exc: Exception) -> Refused:
    error = exc if isinstance(exc, AppError) else errors.as_app_error(exc)
    if error is None:
        log.error("connect_failed", exc_info=exc)
        error = AppError()
    metrics.CONNECTS_REFUSED.add(error.code)
    payload = error.payload()
    return Refused(payload.pop("message"), payload)


def _catch_up_when_subscribed(server: RealtimeServer, sid: str) -> None:
    """Wait until Redis confirms the connection's rooms, then tell the client to sync.

    The client was accepted before the confirmation, and events pushed before it did not arrive here. If the bus goes
    down while waiting, stop: all clients are told to sync when it is up again.
    """
    broker = server.manager.broker
    while server.connections.get(sid) is not None and broker.is_up:
        if broker.settle(bus.SETTLE_SECONDS):
            server.upkeep.catch_up([sid], "joined")
            return


def _enter_rooms(server: RealtimeServer, connection: Connection) -> bool:
    """Enter the user's rooms, correctly even if the user joins or leaves a group meanwhile.

    Return whether this node is subscribed to all of them.

    The rooms of the user and the session come first. Commands about later changes of the memberships arrive there, and
    reading the memberships afterwards fails if the session ended before there was a socket to close.
    """
    for room in (bus.user_room(connection.user_id), bus.session_room(connection.session_id)):
        server.enter_room(connection.sid, room, namespace=bus.NAMESPACE)
    is_subscribed = _settle()
    for _ in range(MEMBERSHIP_READS_MAX):
        move = bus.last_move()
        correct_rooms(server, connection, authentication.conversations_of(connection.session_id))
        is_subscribed = _settle()
        if bus.last_move() == move:
            break
    return is_subscribed


def _settle() -> bool:
    """Wait until the rooms are subscribed to; return whether they are.

    The database connection is released first: there are fewer of them than clients that wait for Redis.
    """
    transactions.release()
    return bus.settle()


def correct_rooms(
    server: RealtimeServer, connection: Connection, conversation_ids: set[int], *, enters: bool = True
) -> bool:
    """Leave the rooms of other conversations; if `enters`, enter the missing ones. Return whether any was missing."""
    prefix = bus.conversation_room(0)[:-1]
    wanted = set(map(bus.conversation_room, conversation_ids))
    present = {room for room in server.rooms(connection.sid) if room.startswith(prefix)}
    for room in wanted - present if enters else ():
        server.enter_room(connection.sid, room, namespace=bus.NAMESPACE)
    for room in present - wanted:
        server.leave_room(connection.sid, room, namespace=bus.NAMESPACE)
    return bool(wanted - present)
