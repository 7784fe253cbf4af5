"""Stored counters of conversations, users' own states and memberships: a few numbers for each.

The ids are written into the SQL text. There are about a thousand of them, and as bound parameters they would cost the
node more than the rest of the query.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select

from imapp.extensions import db
from imapp.models.conversations import Conversation

#: A user's number of conversations, and the sum of their ids. Two different sets hardly ever agree in both.
Digest = tuple[int, int]

NOWHERE: Digest = (0, 0)


def last_changes(conversation_ids: Collection[int]) -> dict[int, int]:
    """Return the number of the last change of each conversation."""
    return _pairs("SELECT id, last_change FROM conversations WHERE id", conversation_ids)


def sum_of_changes(conversation_ids: Collection[int]) -> int:
    """Return the sum of the conversations' last change numbers."""
    return _sum("SELECT SUM(last_change) FROM conversations WHERE id", conversation_ids)


def versions(user_ids: Collection[int]) -> dict[int, int]:
    """Return the version of each user's own state; users without any are left out."""
    return _pairs("SELECT user_id, version FROM user_states WHERE user_id", user_ids)


def sum_of_versions(user_ids: Collection[int]) -> int:
    """Return the sum of the versions of the users' own states."""
    return _sum("SELECT SUM(version) FROM user_states WHERE user_id", user_ids)


def memberships(user_ids: Collection[int]) -> dict[int, Digest]:
    """Return the digest of each user's conversations; users without any (NOWHERE) are left out."""
    start = "SELECT user_id, COUNT(*), SUM(conversation_id) FROM conversation_members WHERE user_id"
    rows = _read(start, user_ids, " AND left_at IS NULL GROUP BY user_id")
    return {user_id: (int(count), int(total)) for user_id, count, total in rows}


def read_since(conversation_ids: Collection[int], moment: datetime) -> list[int]:
    """Return the conversations in which a read mark that other members see was set after `moment`."""
    rows = select(Conversation.id).where(Conversation.id.in_(conversation_ids), Conversation.read_at > moment)
    return list(db.session.scalars(rows))


def _sum(start: str, ids: Collection[int]) -> int:
    [(total,)] = _read(start, ids)
    return int(total or 0)


def _pairs(start: str, ids: Collection[int]) -> dict[int, int]:
    return {id_: int(number) for id_, number in _read(start, ids)}


def _read(start: str, ids: Collection[int], end: str = "") -> list[tuple[int, ...]]:
    statement = f"{start} IN ({','.join(map(str, ids))}){end}"
    rows = db.session.connection().exec_driver_sql(statement)
    return [tuple(row) for row in rows]
