"""Numbers for a user's own state: contacts, requests, blocks, settings, read marks, hidden messages.

Each row of such state carries the `version` at which it changed last; `sync` returns the rows above a cursor.
The counter's row stays locked until the commit, so versions become visible in their order and none is skipped.
"""

from collections.abc import Iterable

from sqlalchemy import select, update
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from imapp.models.own_state import UserState


def next_versions(session: Session | Connection, user_ids: Iterable[int]) -> dict[int, int]:
    """Advance the counters of these users (in id order, against deadlocks) and give the new versions.

    A version stands for one change: a use case that changes two rows of one user takes two.
    """
    wanted = sorted(set(user_ids))
    if not wanted:
        return {}
    session.execute(update(UserState).where(UserState.user_id.in_(wanted)).values(version=UserState.version + 1))
    rows = session.execute(select(UserState.user_id, UserState.version).where(UserState.user_id.in_(wanted)))
    return dict(rows.tuples().all())


def next_version(session: Session | Connection, user_id: int) -> int:
    """Advance the counter of one user and give the new version."""
    return next_versions(session, [user_id])[user_id]
