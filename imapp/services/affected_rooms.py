"""The rooms affected by a transaction, noted when its changes are numbered, for a commit with an unknown result.

If the connection breaks during COMMIT, it is unknown whether the transaction is stored. The use case fails and
publishes nothing, and a retry may find everything done and publish nothing either. Therefore all clients in the
affected rooms are resynchronized in either case: their connections are put into the right rooms, connections of ended
sessions are closed, and the clients are told to sync.
"""

from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from imapp.cluster.bus import bus
from imapp.database.transactions import ON_COMMIT_UNKNOWN

_ROOMS = "imapp.affected_rooms"

#: Reason in `sync_required` if the committer or `atomic` does not know whether a transaction is stored.
COMMIT_UNKNOWN = "commit_unknown"


def note(session: Session | Connection, *rooms: str) -> None:
    """Note that the transaction changes what the members of these rooms see.

    Does nothing with a Connection: the committer uses one and derives the rooms from its batch.
    """
    if isinstance(session, Session):
        session.info.setdefault(_ROOMS, set()).update(rooms)
        session.info[ON_COMMIT_UNKNOWN] = resync


def resync(session: Session) -> None:
    """Resynchronize the clients affected by this session's transaction. Needs no database, which may be unavailable."""
    for room in sorted(session.info.get(_ROOMS, ())):
        bus.resync_room(room, COMMIT_UNKNOWN)
