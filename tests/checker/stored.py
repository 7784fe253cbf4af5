"""The contents of the database, as the oracle reads them."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

Query = Callable[[str], list[tuple]]


@dataclass
class Message:
    """A stored message; `change` is the number of its last change."""

    conversation_id: int
    seq: int
    change: int
    sender_id: int
    client_id: str | None
    text: str
    #: emoji -> number of users, as stored with the message itself.
    reactions: dict[str, int]
    is_recalled: bool
    is_pinned: bool

    @property
    def id(self) -> str:
        """The id as on the wire."""
        return f"{self.conversation_id}-{self.seq}"


@dataclass
class Member:
    """A membership that has not ended."""

    conversation_id: int
    user_id: int
    read_seq: int
    is_muted: bool
    draft: str | None


@dataclass
class Stored:
    """Everything that the oracle compares."""

    #: conversation -> its last message number and its last change number.
    heads: dict[int, tuple[int, int]] = field(default_factory=dict)
    #: group -> the member count stored with it.
    member_counts: dict[int, int] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    #: conversation -> the numbers of its changes.
    changes: dict[int, list[int]] = field(default_factory=dict)
    members: list[Member] = field(default_factory=list)
    #: The rows of the table of reactions as (message, emoji, user), and the messages in the table of pins.
    reactions: set[tuple[str, str, int]] = field(default_factory=set)
    pins: set[str] = field(default_factory=set)


def read(query: Query) -> Stored:
    """Read the database; no operation may be in progress."""
    stored = Stored()
    for id_, seq, change in query("SELECT id, last_seq, last_change FROM conversations"):
        stored.heads[id_] = seq, change
    stored.member_counts = dict(query("SELECT id, member_count FROM chat_groups"))
    columns = (
        "conversation_id, seq, `change`, sender_id, client_id, content, reactions, recalled_at IS NOT NULL,"
        " pinned_at IS NOT NULL"
    )
    for row in query(f"SELECT {columns} FROM messages ORDER BY conversation_id, seq"):
        stored.messages.append(_message(*row))
    for id_, change in query("SELECT conversation_id, `change` FROM changes ORDER BY conversation_id, `change`"):
        stored.changes.setdefault(id_, []).append(change)
    rows = query(
        "SELECT conversation_id, user_id, read_seq, is_muted, draft FROM conversation_members WHERE left_at IS NULL"
    )
    stored.members = [Member(*row[:3], bool(row[3]), row[4]) for row in rows]
    reactions = query("SELECT conversation_id, seq, emoji, user_id FROM reactions")
    stored.reactions = {(f"{id_}-{seq}", emoji, user_id) for id_, seq, emoji, user_id in reactions}
    stored.pins = {f"{id_}-{seq}" for id_, seq in query("SELECT conversation_id, seq FROM pins")}
    return stored


def _message(*row: object) -> Message:
    *numbers, client_id, content, reactions, is_recalled, is_pinned = row
    told = json.loads(reactions) if reactions else []
    shown = {one["emoji"]: one["count"] for one in told}
    text = json.loads(content).get("text", "")
    return Message(*numbers, client_id, text, shown, bool(is_recalled), bool(is_pinned))
