"""Version numbers of a user's own state: contacts, requests, blocks, settings, read marks, hidden messages.

Each row of this state carries the `version` of its last change; `sync` returns the rows above a cursor.
The counter's row stays locked until the commit, so versions become visible in order and none is skipped.
"""

from collections.abc import Iterable

from sqlalchemy import select, update
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from imapp.cluster.bus import bus
from imapp.models.own_state import UserState
from imapp.services import affected_rooms


def next_versions(session: Session | Connection, user_ids: Iterable[int]) -> dict[int, int]:
    """Advance the counters of these users (in id order, against deadlocks) and return the new versions.

    A version stands for one change: a use case that changes two rows of one user takes two versions.
    """
    wanted = sorted(set(user_ids))
    if not wanted:
        return {}
    advance(session, wanted, 1)
    rows = session.execute(select(UserState.user_id, UserState.version).where(UserState.user_id.in_(wanted)))
    return dict(rows.tuples().all())


def advance(session: Session | Connection, user_ids: list[int], steps: int) -> None:
    """Advance the counters of these users, given in id order, by `steps`: the versions that each may need."""
    affected_rooms.note(session, *map(bus.user_room, user_ids))
    counters = update(UserState).where(UserState.user_id.in_(user_ids))
    session.execute(counters.values(version=UserState.version + steps))


def next_version(session: Session | Connection, user_id: int) -> int:
    """Advance the counter of one user and return the new version."""
    return next_versions(session, [user_id])[user_id]
