"""Whom a transaction concerns, noted where its changes get their numbers, for when nobody knows whether it is stored.

A connection that breaks during COMMIT leaves that open: the use case fails, nothing is announced, and a retry may find
all done and have nothing to tell. So those concerned are looked after, whichever it was: their connections are put
into the right rooms, those of ended sessions are closed, and they sync.
"""

from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from imapp.cluster import bus

_ROOMS = "imapp.concern"

#: The reason that clients are given for what the committer and `atomic` do not know.
COMMIT_UNKNOWN = "commit_unknown"


def note(session: Session | Connection, *rooms: str) -> None:
    """The transaction changes what the members of these rooms see; the committer, with a Connection, knows itself."""
    if isinstance(session, Session):
        session.info.setdefault(_ROOMS, set()).update(rooms)


def look_after(session: Session) -> None:
    """Have all those looked after whom the transaction of this session concerns. Asks no database: it may be away."""
    for room in sorted(session.info.get(_ROOMS, ())):
        bus.look_after(room, COMMIT_UNKNOWN)
