"""The rows that a batch reads and changes, and the decoding of those that come as text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, NamedTuple, NotRequired, TypedDict, cast

import orjson

from imapp.database.types import as_utc
from imapp.models.messages import Message

#: Values of columns, by name.
Values = Mapping[str, object]


class MessageRow(TypedDict):
    """A row of `messages`."""

    conversation_id: int
    seq: int
    change: int
    sender_id: int
    client_id: str | None
    digest: str | None
    type: str
    content: str
    reply_to_seq: int | None
    forwarded_from: str | None
    mentions: str | None
    reactions: str | None
    created_at: datetime
    edited_at: datetime | None
    recalled_at: datetime | None
    pinned_at: datetime | None
    pinned_by: int | None


class ReadMark(TypedDict):
    """The payload of `conversation_read`; the commit of a batch sets `version`."""

    conversation_id: int
    user_id: int
    read_seq: int
    version: NotRequired[int]


@dataclass(slots=True)
class Head:
    """A locked conversation. The fields are columns, in the order of `Statements.heads_locked`."""

    id: int
    type: str
    last_seq: int
    last_change: int
    active_at: datetime
    user_low_id: int | None
    user_high_id: int | None
    voices: int

    def peer_of(self, user_id: int) -> int | None:
        """Return the other user of a private conversation."""
        return self.user_high_id if user_id == self.user_low_id else self.user_low_id


class Rights(NamedTuple):
    """A member's rights and membership, in the order of `batch_statements.RIGHTS`. Flags may be 0 and 1."""

    conversation_id: int
    user_id: int
    role: str
    left_at: datetime | None
    muted_until: datetime | None
    read_seq: int
    is_marked_unread: bool
    #: The columns of the group; None in a private conversation.
    is_muted_all: bool | None
    dissolved_at: datetime | None
    member_count: int | None
    #: Whether the private conversation's users have blocked each other, whether the smaller id has the greater as a
    #: contact, and whether the peer's account is closed.
    is_blocked: bool
    is_contact: bool
    is_peer_closed: bool


HEAD_COLUMNS = tuple(column.name for column in fields(Head))
MESSAGE_COLUMNS = tuple(column.key for column in Message.__table__.columns)

_HEAD_TIMES = (HEAD_COLUMNS.index("active_at"),)
_RIGHTS_TIMES = tuple(Rights._fields.index(name) for name in ("left_at", "muted_until", "dissolved_at"))
_MESSAGE_TIMES = tuple(map(MESSAGE_COLUMNS.index, ("created_at", "edited_at", "recalled_at", "pinned_at")))


def head_of(row: str) -> Head:
    """Decode a row of `heads_locked`."""
    return Head(*_with_times(orjson.loads(row), _HEAD_TIMES))


def rights_of(row: str) -> Rights:
    """Decode a row of RIGHTS."""
    return Rights(*_with_times(orjson.loads(row), _RIGHTS_TIMES))


def message_of(row: Sequence[object]) -> MessageRow:
    """Name the columns of a driver's row of MESSAGES."""
    values = _with_times(list(row), _MESSAGE_TIMES)
    return cast(MessageRow, dict(zip(MESSAGE_COLUMNS, values, strict=True)))


def _with_times(row: list[Any], times: tuple[int, ...]) -> list[Any]:
    """Convert the values at the positions `times` to aware datetimes in UTC."""
    for position in times:
        row[position] = as_utc(row[position])
    return row
