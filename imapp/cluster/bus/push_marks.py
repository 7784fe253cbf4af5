"""What this node has pushed: each conversation's last change, and the number of versions of each user's own state."""

from typing import Any

from imapp.cluster.bus.room_names import conversation_room, user_room
from imapp.events import OwnStateEvent

_CONVERSATION, _USER = conversation_room(0)[:-1], user_room(0)[:-1]

#: Greater than every change.
_ENDLESS = 2**63

#: Smaller than every change: the conversation's last change has not been read from the database yet.
_UNKNOWN = -1


class PushMarks:
    """See the module. The manager of the rooms fills it, realtime/reconciliation.py reads it.

    Numbers are stored by the name of the room: every push is counted here, and parsing the name would cost more than
    the rest of the work.
    """

    def __init__(self) -> None:
        #: The greatest pushed change, by the conversation's room; _UNKNOWN until `adopt` or a push.
        self._changes: dict[str, int] = {}
        #: The number of pushed versions of a user's own state, by the user's room.
        self._pushes: dict[str, int] = {}
        #: Conversations and users with a first connection here, without a number from the database yet.
        self.new_conversations: set[int] = set()
        self.new_users: set[int] = set()
        #: Users with a connection that a command has moved since the last comparison.
        self.moved: set[int] = set()

    def open(self, room: str) -> None:
        """Start counting for a room that has got its first member here."""
        if room.startswith(_CONVERSATION):
            self._changes[room] = _UNKNOWN
            self.new_conversations.add(int(room[len(_CONVERSATION) :]))
        elif room.startswith(_USER):
            self._pushes[room] = 0
            self.new_users.add(int(room[len(_USER) :]))

    def close(self, room: str) -> None:
        """Stop counting for a room that has lost its last member here."""
        if self._changes.pop(room, None) is not None:
            self.new_conversations.discard(int(room[len(_CONVERSATION) :]))
        elif self._pushes.pop(room, None) is not None:
            self.new_users.discard(int(room[len(_USER) :]))

    def note(self, rooms: list[str], number: int) -> None:
        """Record that a packet with this number (`number_of`) was sent to the members of the rooms here."""
        changes = self._changes
        for room in rooms:
            known = changes.get(room)
            if known is None:
                self._note_versions(room, rooms, number)
            elif known < number:
                changes[room] = number

    def _note_versions(self, room: str, rooms: list[str], number: int) -> None:
        """Count the versions pushed to a user's room; a conversation's change that is also pushed to it counts as 1."""
        if room in self._pushes:
            self._pushes[room] += 1 if any(map(conversation_of, rooms)) else number

    def adopt(self, conversation_id: int, change: int) -> None:
        """Store a conversation's last change from the database, unless a push has already given one."""
        room = conversation_room(conversation_id)
        if self._changes.get(room) == _UNKNOWN:
            self._changes[room] = change

    def note_move(self, room: str | None) -> None:
        """Record that a command has moved the connections of a user, if `room` is a user's room."""
        if room is not None and room.startswith(_USER):
            self.moved.add(int(room[len(_USER) :]))

    def change_of(self, conversation_id: int) -> int:
        """Return the greatest pushed change; _ENDLESS for a conversation without a known change or a member here."""
        change = self._changes.get(conversation_room(conversation_id), _UNKNOWN)
        return _ENDLESS if change == _UNKNOWN else change

    def pushes_to(self, user_id: int) -> int:
        """Return the number of versions of the user's own state pushed since the user's first connection here."""
        return self._pushes.get(user_room(user_id), 0)

    def known(self) -> list[int]:
        """Return the ids of the conversations with a known last change."""
        start = len(_CONVERSATION)
        return [int(room[start:]) for room, change in self._changes.items() if change != _UNKNOWN]


def conversation_of(room: str) -> int | None:
    """Return the conversation id of a conversation's room; None for other rooms."""
    return int(room[len(_CONVERSATION) :]) if room.startswith(_CONVERSATION) else None


def number_of(name: str, payload: dict[str, Any], rooms: list[str] | None) -> int:
    """Return the number of a push: a conversation's change, or the versions of the receivers' own state, or 0.

    An event that alters a conversation carries `change`; an event with a message carries it inside the message.
    """
    message = payload.get("message")
    change: int | None = (message if isinstance(message, dict) else payload).get("change")
    if change:
        return change
    return 0 if not rooms or any(map(conversation_of, rooms)) else _VERSIONS.get(name, 0)


_VERSIONS = {event.name: event.versions for event in OwnStateEvent.__subclasses__()}
