"""The bus: events to rooms, and the rooms of connections.

Rooms: `user:{id}` (all devices of a user), `conv:{id}` (all members' devices), `session:{id}` (one login). They reach
over all nodes: python-socketio's client manager behind this (realtime/cluster_rooms.py) carries them. Delivery is at
most once; clients close gaps by `sync`.
"""

from itertools import count
from typing import Any, Literal

from imapp.cluster.wire import Stamp
from imapp.events import Event, SessionEnded
from imapp.extensions import socketio

#: The only Socket.IO namespace.
NAMESPACE = "/"

#: Seconds that a connecting client waits for its subscriptions at most.
SETTLE_SECONDS = 1.0

#: The argument of the order to compare after the death of a node.
NODE_LOST = "node_lost"

_moves = count(1)
_last_move = 0


def user_room(user_id: int) -> str:
    """All devices of a user."""
    return f"user:{user_id}"


def conversation_room(conversation_id: int) -> str:
    """All devices of all members of a conversation."""
    return f"conv:{conversation_id}"


def session_room(session_id: int) -> str:
    """The connections of one login."""
    return f"session:{session_id}"


def publish(event: Event, *rooms: str, skip_sid: str | None = None, versions: int = 0) -> None:
    """Push `event` once to every connection that is in any of `rooms`.

    `versions`: by how many the own state of each user whose room it is has grown, if not by the event's usual number.
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
    """As `publish`, for a payload that is JSON already; `stamp`: it is a message whose way is followed.

    Gives whether the bus took it for the other nodes.
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
    """Wait until this node hears all the rooms that were entered so far; tells whether it does.

    Waits SETTLE_SECONDS at most, and not at all while the nodes are cut off from each other.
    """
    is_settled: bool = socketio.server.manager.broker.settle(SETTLE_SECONDS)
    return is_settled


def is_up() -> bool:
    """Whether this node hears itself, and so the others."""
    return bool(socketio.server.manager.broker.is_up)


def last_move() -> int:
    """Changes when anybody enters or leaves a room: what was read about memberships before may be out of date."""
    return _last_move


def note_move() -> None:
    """Somebody enters or leaves a room, on this node's or another's word."""
    global _last_move  # noqa: PLW0603 - one bus for the process
    _last_move = next(_moves)


def disconnect_session(session_id: int, code: Literal["session_revoked", "token_expired"]) -> None:
    """Tell the connections of a login why, and close them."""
    room = session_room(session_id)
    publish(SessionEnded(code=code), room)
    _act("disconnect", room)


def disconnect_connection(sid: str) -> None:
    """Close one connection, on whichever node it is; its login goes on."""
    _act("disconnect", sid)


def node_lost() -> None:
    """A node has died, maybe between a commit and its pushes: every node looks soon whether its clients were told."""
    _act("reconcile", None, NODE_LOST)


def look_after(room: str, reason: str) -> None:
    """Have every node see to the connections in this room: their rooms, their sessions; then they are told to sync."""
    _act("sync", room, reason)


def look_again(user_id: int) -> None:
    """Have every node compare soon the rooms of this user's connections with what is stored."""
    _act("recheck", user_room(user_id))


def _act(action: str, room: str | None, argument: str | None = None) -> None:
    if socketio.server is not None:
        socketio.server.manager.act(action, room, argument)
