"""The bus: sends events to rooms, and moves connections between rooms.

Rooms: `user:{id}` (all devices of a user), `conv:{id}` (all members' devices), `session:{id}` (one login). A room spans
all nodes, by the client manager of python-socketio in cluster/bus/room_manager.py. Delivery is at most once; clients
close gaps by `sync`.
"""

from collections.abc import Mapping
from typing import Literal

from imapp.cluster.bus.envelope import Stamp
from imapp.cluster.bus.node_commands import (
    DISCONNECT,
    ENTER,
    LEAVE,
    NODE_LOST,
    RECHECK,
    RECONCILE,
    SYNC,
)
from imapp.cluster.bus.room_manager import RoomManager
from imapp.cluster.bus.room_names import NAMESPACE, conversation_room, session_room, user_room
from imapp.events import Event, SessionEnded
from imapp.node import current_node

__all__ = [
    "NAMESPACE",
    "SETTLE_SECONDS",
    "conversation_room",
    "disconnect_connection",
    "disconnect_session",
    "enter",
    "enter_connection",
    "is_up",
    "last_move",
    "leave",
    "leave_connection",
    "node_lost",
    "publish",
    "recheck_rooms",
    "resync_room",
    "send",
    "session_room",
    "settle",
    "user_room",
]

#: Maximum number of seconds that a connecting client waits until Redis confirms its subscriptions.
SETTLE_SECONDS = 1.0


def publish(event: Event, *rooms: str, skip_sid: str | None = None, versions: int = 0) -> None:
    """Push `event` once to every connection that is in any of `rooms`.

    `versions`: how many versions of each receiving user's own state the event stands for; 0: the event's usual number.
    """
    send(event.name, event.wire(), *rooms, skip_sid=skip_sid, versions=versions)


def send(
    name: str,
    payload: Mapping[str, object],
    *rooms: str,
    skip_sid: str | None = None,
    stamp: Stamp | None = None,
    versions: int = 0,
) -> bool:
    """Push a JSON payload like `publish`; return whether the bus queued it for the other nodes.

    `stamp`: given for a chat message, to measure and trace its delivery.
    """
    options = {"skip_sid": skip_sid, "stamp": stamp, "versions": versions}
    return _rooms().emit(name, payload, NAMESPACE, room=list(rooms), **options)


def enter(user_id: int, room: str) -> None:
    """Put all live connections of a user into a room."""
    _rooms().act(ENTER, user_room(user_id), room)


def leave(user_id: int, room: str) -> None:
    """Take all live connections of a user out of a room."""
    _rooms().act(LEAVE, user_room(user_id), room)


def enter_connection(sid: str, room: str) -> None:
    """Put one connection into a room."""
    _rooms().enter_room(sid, NAMESPACE, room)


def leave_connection(sid: str, room: str) -> None:
    """Take one connection out of a room."""
    _rooms().leave_room(sid, NAMESPACE, room)


def settle() -> bool:
    """Wait until this node is subscribed to all rooms entered so far; return whether it is.

    Wait at most SETTLE_SECONDS, and not at all while the node is disconnected from the bus.
    """
    return _rooms().broker.settle(SETTLE_SECONDS)


def is_up() -> bool:
    """Return whether this node receives its own canary messages, and therefore those of the other nodes."""
    return _rooms().broker.is_up


def last_move() -> int:
    """Return a number that changes whenever a user enters or leaves a room.

    Memberships that were read before the number changed may be out of date.
    """
    return _rooms().last_move


def disconnect_session(session_id: int, code: Literal["session_revoked", "token_expired"]) -> None:
    """Send the reason to the connections of a login, and close them."""
    room = session_room(session_id)
    publish(SessionEnded(code=code), room)
    _rooms().act(DISCONNECT, room, None)


def disconnect_connection(sid: str) -> None:
    """Close one connection, on any node. Its login stays valid."""
    _rooms().act(DISCONNECT, sid, None)


def node_lost() -> None:
    """Have every node compare soon what it pushed with what is stored: a node may have died between commit and push."""
    _rooms().act(RECONCILE, None, NODE_LOST)


def resync_room(room: str, reason: str) -> None:
    """Have every node check the rooms and sessions of the connections in this room, and tell these to sync."""
    _rooms().act(SYNC, room, reason)


def recheck_rooms(user_id: int) -> None:
    """Have every node compare soon the rooms of this user's connections with the stored memberships."""
    _rooms().act(RECHECK, user_room(user_id), None)


def _rooms() -> RoomManager:
    return current_node().part(RoomManager)
