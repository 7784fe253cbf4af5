"""What this node has told its clients: the last change of each conversation, and how much of each user's own state."""

from typing import Any

from imapp.cluster import bus
from imapp.events import OwnStateEvent

_CONVERSATION, _USER = bus.conversation_room(0)[:-1], bus.user_room(0)[:-1]

#: Greater than every change.
_ENDLESS = 2**63

#: Smaller than every change: nobody has looked how far the conversation is.
_UNKNOWN = -1


class Told:
    """See the module; filled by the manager of the rooms, read by reconciliation.py.

    Everything is kept by the name of the room: every push passes here, and taking a name to pieces costs more than
    the rest.
    """

    def __init__(self) -> None:
        #: The greatest change that was pushed, by the conversation's room; _UNKNOWN until it has been looked at.
        self._changes: dict[str, int] = {}
        #: How many versions of a user's own state have been pushed, by the user's room.
        self._pushes: dict[str, int] = {}
        #: Conversations and users who have got their first connection here and have not been looked at yet.
        self.new_conversations: set[int] = set()
        self.new_users: set[int] = set()
        #: Users of whom another order than the handshake's has moved a connection since the last look.
        self.moved: set[int] = set()

    def open(self, room: str) -> None:
        """The room has got its first member here."""
        if room.startswith(_CONVERSATION):
            self._changes[room] = _UNKNOWN
            self.new_conversations.add(int(room[len(_CONVERSATION) :]))
        elif room.startswith(_USER):
            self._pushes[room] = 0
            self.new_users.add(int(room[len(_USER) :]))

    def close(self, room: str) -> None:
        """The room has lost its last member here."""
        if self._changes.pop(room, None) is not None:
            self.new_conversations.discard(int(room[len(_CONVERSATION) :]))
        elif self._pushes.pop(room, None) is not None:
            self.new_users.discard(int(room[len(_USER) :]))

    def note(self, rooms: list[str], number: int) -> None:
        """A packet with this number (`number_of`) has been given to the members of the rooms here."""
        changes = self._changes
        for room in rooms:
            known = changes.get(room)
            if known is None:
                self._note_versions(room, rooms, number)
            elif known < number:
                changes[room] = number

    def _note_versions(self, room: str, rooms: list[str], number: int) -> None:
        """A change of a conversation that is pushed to a user's room, too, is one version of the user's own state."""
        if room in self._pushes:
            self._pushes[room] += 1 if any(map(conversation_of, rooms)) else number

    def adopt(self, conversation_id: int, change: int) -> None:
        """The conversation is that far; a push that came before this was read says it better."""
        room = bus.conversation_room(conversation_id)
        if self._changes.get(room) == _UNKNOWN:
            self._changes[room] = change

    def note_move(self, room: str | None) -> None:
        """The connections of a user have been moved by an order."""
        if room is not None and room.startswith(_USER):
            self.moved.add(int(room[len(_USER) :]))

    def change_of(self, conversation_id: int) -> int:
        """The greatest change that was pushed; endless for a conversation that nobody here has open."""
        change = self._changes.get(bus.conversation_room(conversation_id), _UNKNOWN)
        return _ENDLESS if change == _UNKNOWN else change

    def pushes_to(self, user_id: int) -> int:
        """How many versions of the own state the user has been pushed since the first connection here."""
        return self._pushes.get(bus.user_room(user_id), 0)

    def known(self) -> list[int]:
        """The conversations of which it is known what was pushed."""
        start = len(_CONVERSATION)
        return [int(room[start:]) for room, change in self._changes.items() if change != _UNKNOWN]


def conversation_of(room: str) -> int | None:
    """The conversation whose room this is; None for other rooms."""
    return int(room[len(_CONVERSATION) :]) if room.startswith(_CONVERSATION) else None


def number_of(name: str, payload: dict[str, Any], rooms: list[str] | None) -> int:
    """What a push adds to what is told: a conversation's change, or versions of the receivers' own state; or 0.

    An event that alters a conversation carries its `change`, one with a message carries it inside the message.
    """
    message = payload.get("message")
    change: int | None = (message if isinstance(message, dict) else payload).get("change")
    if change:
        return change
    return 0 if not rooms or any(map(conversation_of, rooms)) else _VERSIONS.get(name, 0)


_VERSIONS = {event.name: event.versions for event in OwnStateEvent.__subclasses__()}
