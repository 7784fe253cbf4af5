"""The bus: sends events to rooms, and moves connections between rooms.

Rooms: `user:{id}` (all devices of a user), `conv:{id}` (all members' devices), `session:{id}` (one login). A room spans
all nodes, by the client manager of python-socketio in realtime/cluster_rooms.py. Delivery is at most once; clients
close gaps by `sync`.
"""

from itertools import count
from typing import Any, Literal

from imapp.cluster.wire import Stamp
from imapp.events import Event, SessionEnded
from imapp.extensions import socketio

#: The only Socket.IO namespace.
NAMESPACE = "/"

#: Maximum number of seconds that a connecting client waits until Redis confirms its subscriptions.
SETTLE_SECONDS = 1.0

#: The argument of the order `reconcile` after a node has died.
NODE_LOST = "node_lost"

_moves = count(1)
_last_move = 0


def user_room(user_id: int) -> str:
    """Return the room of all devices of a user."""
    return f"user:{user_id}"


def conversation_room(conversation_id: int) -> str:
    """Return the room of all devices of all members of a conversation."""
    return f"conv:{conversation_id}"


def session_room(session_id: int) -> str:
    """Return the room of the connections of one login."""
    return f"session:{session_id}"


def publish(event: Event, *rooms: str, skip_sid: str | None = None, versions: int = 0) -> None:
    """Push `event` once to every connection that is in any of `rooms`.

    `versions`: how many versions of each receiving user's own state the event stands for; 0: the event's usual number.
    """
    send(event.name, event.wire(), *rooms, skip_sid=skip_sid, versions=versions)


def send(
    name: str,
    payload: dict[str, Any],
    *rooms: str,
    skip_sid: str | None = None,
    stamp: Stamp | None = None,
    versions: int = 0,
) -> bool:
    """Push a JSON payload like `publish`; return whether the bus queued it for the other nodes.

    `stamp`: given for a chat message, to measure and trace its delivery.
    """
    server = socketio.server
    if server is None:
        return False
    options = {"skip_sid": skip_sid, "stamp": stamp, "versions": versions}
    return bool(server.manager.emit(name, payload, NAMESPACE, room=list(rooms), **options))


def enter(user_id: int, room: str) -> None:
    """Put all live connections of a user into a room."""
    _act("enter", user_room(user_id), room)


def leave(user_id: int, room: str) -> None:
    """Take all live connections of a user out of a room."""
    _act("leave", user_room(user_id), room)


def enter_connection(sid: str, room: str) -> None:
    """Put one connection into a room."""
    socketio.server.enter_room(sid, room, namespace=NAMESPACE)


def leave_connection(sid: str, room: str) -> None:
    """Take one connection out of a room."""
    socketio.server.leave_room(sid, room, namespace=NAMESPACE)


def settle() -> bool:
    """Wait until this node is subscribed to all rooms entered so far; return whether it is.

    Wait at most SETTLE_SECONDS, and not at all while the node is disconnected from the bus.
    """
    is_settled: bool = socketio.server.manager.broker.settle(SETTLE_SECONDS)
    return is_settled


def is_up() -> bool:
    """Return whether this node receives its own canary messages, and therefore those of the other nodes."""
    return bool(socketio.server.manager.broker.is_up)


def last_move() -> int:
    """Return a number that changes whenever a user enters or leaves a room.

    Memberships that were read before the number changed may be out of date.
    """
    return _last_move


def note_move() -> None:
    """Change `last_move`: this node or another one has ordered a user to enter or leave a room."""
    global _last_move  # noqa: PLW0603 - one bus for the process
    _last_move = next(_moves)


def disconnect_session(session_id: int, code: Literal["session_revoked", "token_expired"]) -> None:
    """Send the reason to the connections of a login, and close them."""
    room = session_room(session_id)
    publish(SessionEnded(code=code), room)
    _act("disconnect", room)


def disconnect_connection(sid: str) -> None:
    """Close one connection, on any node. Its login stays valid."""
    _act("disconnect", sid)


def node_lost() -> None:
    """Have every node compare soon what it pushed with what is stored: a node may have died between commit and push."""
    _act("reconcile", None, NODE_LOST)


def look_after(room: str, reason: str) -> None:
    """Have every node check the rooms and sessions of the connections in this room, and tell these to sync."""
    _act("sync", room, reason)


def look_again(user_id: int) -> None:
    """Have every node compare soon the rooms of this user's connections with the stored memberships."""
    _act("recheck", user_room(user_id))


def _act(action: str, room: str | None, argument: str | None = None) -> None:
    if socketio.server is not None:
        socketio.server.manager.act(action, room, argument)
