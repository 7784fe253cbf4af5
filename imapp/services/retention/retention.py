"""Retention: data older than the configured ages is deleted in small steps, while the nodes keep running.

Messages and the log of changes are deleted by conversation, the oldest rows first. One short transaction moves the
conversation's first valid numbers (`first_seq`, `first_change`). Rows below them are garbage from then on, and the
sweep deletes them, in this run or in the next one. Numbers never start again: history begins at a later `seq`, and has
no hole.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from imapp.clock import now
from imapp.database.transactions import atomic, release
from imapp.extensions import db, settings
from imapp.models.changes import Change
from imapp.models.conversations import Conversation
from imapp.models.messages import Message
from imapp.models.sessions import DeviceSession
from imapp.services.messaging import conversation_changes
from imapp.services.retention.retention_sweep import BY_SEQ, Below, Counts, Pace, Progress, over, sweep

#: Number of conversations read by one query.
_PAGE = 200

#: id, last_seq, last_change, first_seq, first_change of a conversation.
_Head = tuple[int, int, int, int, int]


@dataclass(frozen=True)
class Policy:
    """The moments before which messages, changes and sessions are deleted; None keeps all."""

    messages: datetime | None
    changes: datetime | None
    sessions: datetime | None

    @classmethod
    def of_settings(cls) -> "Policy":
        """Return the policy of the settings, as of now. Changes are kept no longer than the messages they are about."""
        messages, changes = _before(settings.retention_messages_days), _before(settings.retention_changes_days)
        latest = max((moment for moment in (messages, changes) if moment is not None), default=None)
        return cls(messages, latest, _before(settings.retention_sessions_days))


def _before(days: int) -> datetime | None:
    return now() - timedelta(days=days) if days else None


def conversations() -> int:
    """Return the number of conversations, the total of the progress of `preview` and `run`."""
    return db.session.scalar(select(func.count()).select_from(Conversation)) or 0


# -- preview -------------------------------------------------------------------------------------------------------


def preview(policy: Policy, progress: Progress) -> Counts:
    """Count the rows that `run` would delete; delete nothing."""
    counts = Counts()
    for head in _heads(progress):
        first_seq, first_change = _horizon(head, policy)
        gone = [_count(Below(model, head.id, first_seq), counts) for model in BY_SEQ] if first_seq > 1 else [0]
        counts.conversations += gone[-1] > 0
        if first_change > 1:
            _count(Below(Change, head.id, first_change), counts)
    if policy.sessions is not None:
        ended = select(func.count()).select_from(DeviceSession).where(over(policy.sessions))
        counts.add(DeviceSession.__tablename__, db.session.scalar(ended) or 0)
    return counts


def _count(rows: Below, counts: Counts) -> int:
    found = db.session.scalar(select(func.count()).select_from(rows.model).where(rows.condition)) or 0
    counts.add(rows.model.__tablename__, found)
    return found


def _heads(progress: Progress) -> Iterator[Row[_Head]]:
    """Yield all conversations in id order."""
    head = Conversation
    heads = select(head.id, head.last_seq, head.last_change, head.first_seq, head.first_change)
    last_id = 0
    while page := db.session.execute(heads.where(head.id > last_id).order_by(head.id).limit(_PAGE)).all():
        release()
        for row in page:
            yield row
            progress("conversations", 1)
        last_id = page[-1].id


def _horizon(head: Row[_Head], policy: Policy) -> tuple[int, int]:
    """Return the first message and the first change to keep.

    `head` was read before: rows added since then have greater numbers and are kept, whatever their times.
    """
    seq, change = head.first_seq, head.first_change
    if policy.messages is not None:
        young = Message.conversation_id == head.id, Message.seq >= seq, Message.created_at >= policy.messages
        found = db.session.scalar(select(Message.seq).where(*young).order_by(Message.seq).limit(1))
        seq = max(seq, head.last_seq + 1) if found is None else found
    if policy.changes is not None:
        late = Change.conversation_id == head.id, Change.change >= change, Change.created_at >= policy.changes
        found = db.session.scalar(select(Change.change).where(*late).order_by(Change.change).limit(1))
        change = max(change, head.last_change + 1) if found is None else found
    return seq, change


# -- deletion ------------------------------------------------------------------------------------------------------


def run(policy: Policy, pace: Pace, progress: Progress) -> Counts:
    """Delete all data older than the policy allows, and the garbage of an interrupted run."""
    has_moved = False
    for head in _heads(progress):
        first = _horizon(head, policy)
        release()
        if first != (head.first_seq, head.first_change):
            atomic(_set_horizon, head.id, *first)
            has_moved = True
    if has_moved:
        time.sleep(pace.grace_seconds)
    return sweep(policy.sessions, pace, progress)


def _set_horizon(session: Session, conversation_id: int, first_seq: int, first_change: int) -> None:
    conversation = conversation_changes.lock(session, conversation_id)
    conversation.first_seq = max(conversation.first_seq, first_seq)
    conversation.first_change = max(conversation.first_change, first_change)
