"""Rooms of this node, cheap for users in hundreds of conversations.

The stock manager keeps a two-way dict for each room and searches all rooms of the server when one connection ends. Here
a room is a plain dict, and each connection has a list of its rooms with interned names: about 60 bytes for each
membership.
"""

from sys import intern
from typing import Any

import socketio as sio
from bidict import bidict


class LocalRooms(sio.Manager):  # type: ignore[misc]  # the library has no types
    """python-socketio's in-memory manager with leaner bookkeeping; the room None holds all connections."""

    def __init__(self) -> None:
        super().__init__()
        self._rooms_of: dict[str, list[str]] = {}

    def basic_enter_room(self, sid: str, namespace: str, room: str | None, eio_sid: str | None = None) -> None:
        """Add a connection to a room."""
        rooms = self.rooms.setdefault(namespace, {})
        if room is None:
            rooms.setdefault(None, bidict())[sid] = eio_sid
            self._rooms_of[sid] = []
            return
        if sid not in self._rooms_of:
            return  # the connection has closed meanwhile
        room = intern(room)
        if room not in rooms:
            rooms[room] = {}
            self.room_opened(room)
        if sid not in rooms[room]:
            rooms[room][sid] = eio_sid or rooms[None][sid]
            self._rooms_of[sid].append(room)

    def basic_leave_room(self, sid: str, namespace: str, room: str | None) -> None:
        """Take a connection out of a room; delete the room if it is empty."""
        rooms = self.rooms.get(namespace, {})
        members = rooms.get(room)
        if members is None or members.pop(sid, None) is None:
            return
        own = self._rooms_of.get(sid)
        if own and room is not None:
            own.remove(room)
        if not members:
            del rooms[room]
            if room is not None:
                self.room_emptied(room)

    def room_opened(self, room: str) -> None:
        """Called when a room gets its first member; for subclasses."""

    def room_emptied(self, room: str) -> None:
        """Called when a room has lost its last member; for subclasses."""

    def basic_disconnect(self, sid: str, namespace: str, **_options: Any) -> None:
        """Remove a connection from all its rooms."""
        for room in self._rooms_of.pop(sid, []):
            self.basic_leave_room(sid, namespace, room)
        self.basic_leave_room(sid, namespace, None)
        self.callbacks.pop(sid, None)
        for pending in (self.pending_connect, self.pending_disconnect):
            if sid in pending.get(namespace, []):
                pending[namespace].remove(sid)

    def get_participants(self, namespace: str, room: Any) -> Any:
        """Return (sid, eio_sid) of each member of a room or of a list of rooms, without duplicates."""
        rooms = self.rooms.get(namespace, {})
        if isinstance(room, list) and len(room) == 1:
            room = room[0]
        if not isinstance(room, list):
            return list(rooms.get(room, {}).items())
        union: dict[str, str] = {}
        for one in room:
            union.update(rooms.get(one, {}))
        return list(union.items())

    def get_rooms(self, sid: str, namespace: str) -> list[str]:
        """Return the rooms of a connection."""
        return list(self._rooms_of.get(sid, []))
