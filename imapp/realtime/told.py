"""What this node has told its clients: the last change of each conversation, and how much of each user's own state."""

from collections import Counter
from typing import Any

from imapp.cluster import bus

_CONVERSATION, _USER = bus.conversation_room(0)[:-1], bus.user_room(0)[:-1]

#: Greater than every change.
_ENDLESS = 2**63

#: Smaller than every change: nobody has looked how far the conversation is.
_UNKNOWN = -1


class Told:
    """See the module; filled by the manager of the rooms, read by reconciliation.py."""

    def __init__(self) -> None:
        #: The greatest change that was pushed, by the conversation's id; _UNKNOWN until it has been looked at.
        self.changes: dict[int, int] = {}
        #: How many pushes with a version went to the user with this id.
        self.pushes: Counter[int] = Counter()
        #: Conversations and users who have got their first connection here and have not been looked at yet.
        self.new_conversations: set[int] = set()
        self.new_users: set[int] = set()
        #: Users of whom another order than the handshake's has moved a connection since the last look.
        self.moved: set[int] = set()

    def open(self, room: str) -> None:
        """The room has got its first member here."""
        conversation_id = conversation_of(room)
        if conversation_id is not None:
            self.changes[conversation_id] = _UNKNOWN
            self.new_conversations.add(conversation_id)
        elif room.startswith(_USER):
            self.new_users.add(int(room[len(_USER) :]))

    def close(self, room: str) -> None:
        """The room has lost its last member here."""
        conversation_id = conversation_of(room)
        if conversation_id is not None:
            self.changes.pop(conversation_id, None)
            self.new_conversations.discard(conversation_id)
        elif room.startswith(_USER):
            user_id = int(room[len(_USER) :])
            self.pushes.pop(user_id, None)
            self.new_users.discard(user_id)

    def note(self, rooms: list[str], number: int) -> None:
        """A packet that tells of this change, or version, has been given to the members of the rooms here."""
        for room in rooms:
            conversation_id = conversation_of(room)
            if conversation_id is not None:
                self.note_change(conversation_id, number)
            elif room.startswith(_USER):
                self.pushes[int(room[len(_USER) :])] += 1

    def note_change(self, conversation_id: int, change: int) -> None:
        """The conversation's members here know, or can see, what came up to this change."""
        if self.changes.get(conversation_id, change) < change:
            self.changes[conversation_id] = change

    def adopt(self, conversation_id: int, change: int) -> None:
        """The conversation is that far; a push that came before this was read says it better."""
        if self.changes.get(conversation_id) == _UNKNOWN:
            self.changes[conversation_id] = change

    def note_move(self, room: str | None) -> None:
        """The connections of a user have been moved by an order."""
        if room is not None and room.startswith(_USER):
            self.moved.add(int(room[len(_USER) :]))

    def change_of(self, conversation_id: int) -> int:
        """The greatest change that was pushed; endless for a conversation that nobody here has open."""
        change = self.changes.get(conversation_id, _UNKNOWN)
        return _ENDLESS if change == _UNKNOWN else change

    def known(self) -> list[int]:
        """The conversations of which it is known what was pushed."""
        return [id_ for id_, change in self.changes.items() if change != _UNKNOWN]


def conversation_of(room: str) -> int | None:
    """The conversation whose room this is; None for other rooms."""
    return int(room[len(_CONVERSATION) :]) if room.startswith(_CONVERSATION) else None


def number_of(payload: dict[str, Any]) -> int:
    """The change, or the version, of which an event tells; 0 for none.

    An event that alters a conversation carries its `change`, one with a message carries it inside the message. Own
    state carries its `version`, at the top or in its one object.
    """
    message = payload.get("message")
    if isinstance(message, dict):
        return int(message.get("change") or 0)
    found = payload.get("change") or payload.get("version")
    if found:
        return int(found)
    nested = (value.get("version") for value in payload.values() if isinstance(value, dict))
    return int(next((version for version in nested if version), 0))
