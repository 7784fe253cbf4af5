"""The sweep of retention: it deletes garbage in small transactions with pauses, so that other writes hardly wait.

Rows below the `first_seq` and `first_change` of their conversation are deleted, the lowest first, and messages after
the rows that refer to them: an interrupted sweep can always be continued. Read marks are moved up to the first
message, so that deleted messages count as read.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import ColumnElement, CursorResult, Delete, and_, delete, func, or_, select, update
from sqlalchemy.orm import Session

from imapp.database.transactions import atomic, release
from imapp.extensions import db
from imapp.models.changes import Change
from imapp.models.conversations import Conversation, ConversationMember
from imapp.models.idempotency import IdempotencyKey
from imapp.models.messages import HiddenMessage, Mention, Message, MessageEdit, Pin, Reaction
from imapp.models.sessions import DeviceSession
from imapp.services import own_versions
from imapp.services.idempotency import expired_before

#: A callback for progress: the kind of item, and the number processed since the last call.
Progress = Callable[[str, int], None]

#: A model with numbered rows of conversations: `change` numbers those of Change, `seq` all others.
ByNumber = type[Mention | MessageEdit | Pin | Reaction | Message | Change]

#: The models with rows to delete by seq: first those that refer to messages, then the messages.
BY_SEQ: tuple[ByNumber, ...] = (Mention, MessageEdit, Pin, Reaction, Message)

#: Maximum number of read marks moved in one transaction, which locks the counter of each user concerned.
_MARKS = 50

#: Number of conversations read by one query.
_PAGE = 200


@dataclass
class Counts:
    """The number of deleted rows by table, and of conversations that lose messages."""

    rows: dict[str, int] = field(default_factory=dict)
    conversations: int = 0

    def add(self, table: str, count: int) -> None:
        """Add to the number of rows of a table."""
        self.rows[table] = self.rows.get(table, 0) + count


@dataclass(frozen=True)
class Pace:
    """Limits of the sweep: the rows of one transaction, and the pause between two."""

    batch: int = 500
    pause_seconds: float = 0.05
    #: Seconds between moving the first numbers and the first deletion: longer than any answer takes that is based on
    #: the old numbers.
    grace_seconds: float = 10


class Below(NamedTuple):
    """The rows of a conversation below a number."""

    model: ByNumber
    conversation_id: int
    first: int

    @property
    def number(self) -> ColumnElement[int]:
        """The column that numbers the rows."""
        return self.model.__table__.c["change" if self.model is Change else "seq"]

    @property
    def condition(self) -> ColumnElement[bool]:
        """The condition that selects the rows."""
        return and_(self.model.conversation_id == self.conversation_id, self.number < self.first)


def over(moment: datetime) -> ColumnElement[bool]:
    """Return a condition on sessions: they ended before `moment`."""
    return or_(DeviceSession.revoked_at < moment, DeviceSession.expires_at < moment)


def sweep(sessions_before: datetime | None, pace: Pace, progress: Progress) -> Counts:
    """Delete the garbage, and the sessions that ended before `sessions_before` (None: none)."""
    counts = Counts()
    for conversation_id, first_seq, first_change in _truncated():
        # Deleted messages count as read; `sync` reports the moved marks to their users.
        while first_seq > 1 and atomic(_move_marks, conversation_id, first_seq - 1, min(pace.batch, _MARKS)):
            time.sleep(pace.pause_seconds)
        gone = [_delete_below(Below(model, conversation_id, first_seq), pace, counts) for model in BY_SEQ]
        counts.conversations += gone[-1] > 0
        _delete_below(Below(Change, conversation_id, first_change), pace, counts)
        progress(f"conversations, {sum(counts.rows.values())} rows deleted", 0)
    _delete_hidden(pace, counts)
    while atomic(_delete_some_keys, pace.batch):
        time.sleep(pace.pause_seconds)
    while sessions_before is not None and (deleted := atomic(_delete_some_sessions, sessions_before, pace.batch)):
        counts.add(DeviceSession.__tablename__, deleted)
        time.sleep(pace.pause_seconds)
    return counts


def _truncated() -> Iterator[tuple[int, int, int]]:
    """Yield the conversations of which retention has deleted or will delete rows."""
    columns = Conversation.id, Conversation.first_seq, Conversation.first_change
    later = or_(Conversation.first_seq > 1, Conversation.first_change > 1)
    last_id = 0
    while page := db.session.execute(
        select(*columns).where(later, Conversation.id > last_id).order_by(Conversation.id).limit(_PAGE)
    ).all():
        release()
        yield from (tuple(row) for row in page)
        last_id = page[-1].id


def _move_marks(session: Session, conversation_id: int, seq: int, limit: int) -> int:
    member = ConversationMember
    behind = [member.conversation_id == conversation_id, member.read_seq < seq, member.left_at.is_(None)]
    user_ids = sorted(session.scalars(select(member.user_id).where(*behind).limit(limit)))
    for user_id, version in own_versions.next_versions(session, user_ids).items():
        session.execute(
            update(member).where(*behind, member.user_id == user_id).values(read_seq=seq, version=version),
            execution_options={"synchronize_session": False},
        )
    return len(user_ids)


def _delete_below(rows: Below, pace: Pace, counts: Counts) -> int:
    """Delete the rows of a conversation below a number, the lowest first; return their number."""
    total = 0
    while deleted := atomic(_delete_lowest, rows, pace.batch):
        total += deleted
        counts.add(rows.model.__tablename__, deleted)
        time.sleep(pace.pause_seconds)
    return total


def _delete_lowest(session: Session, rows: Below, limit: int) -> int:
    number = rows.number
    last = session.scalar(select(number).where(rows.condition).order_by(number).offset(limit - 1).limit(1))
    lowest = rows if last is None else rows._replace(first=last + 1)
    return _deleted(session, delete(rows.model).where(lowest.condition))


def _deleted(session: Session, statement: Delete) -> int:
    result = cast(CursorResult[Any], session.execute(statement, execution_options={"synchronize_session": False}))
    return result.rowcount


def _delete_hidden(pace: Pace, counts: Counts) -> None:
    """Delete the marks of hidden messages that no longer exist, user by user."""
    user_id: int | None = 0
    while user_id is not None:
        following = select(func.min(HiddenMessage.user_id)).where(HiddenMessage.user_id > user_id)
        user_id = db.session.scalar(following)
        release()
        while user_id and (deleted := atomic(_delete_hidden_of, user_id, pace.batch)):
            counts.add(HiddenMessage.__tablename__, deleted)
            time.sleep(pace.pause_seconds)


def _delete_hidden_of(session: Session, user_id: int, limit: int) -> int:
    gone = (
        select(HiddenMessage.conversation_id, HiddenMessage.seq)
        .join(Conversation, Conversation.id == HiddenMessage.conversation_id)
        .where(HiddenMessage.user_id == user_id, HiddenMessage.seq < Conversation.first_seq)
        .limit(limit)
    )
    keys = session.execute(gone).all()
    for conversation_id, seq in keys:
        key = {"user_id": user_id, "conversation_id": conversation_id, "seq": seq}
        session.execute(delete(HiddenMessage).filter_by(**key), execution_options={"synchronize_session": False})
    return len(keys)


def _delete_some_keys(session: Session, limit: int) -> int:
    """Delete expired idempotency keys of users that sent no later key, which would delete them; not counted."""
    key = IdempotencyKey
    expired = select(key.user_id, key.key_hash).where(key.created_at <= expired_before()).limit(limit)
    rows = session.execute(expired).all()
    for user_id, key_hash in rows:
        session.execute(delete(key).filter_by(user_id=user_id, key_hash=key_hash))
    return len(rows)


def _delete_some_sessions(session: Session, moment: datetime, limit: int) -> int:
    ids = session.scalars(select(DeviceSession.id).where(over(moment)).limit(limit)).all()
    return _deleted(session, delete(DeviceSession).where(DeviceSession.id.in_(ids))) if ids else 0
