"""Recovery after a gap on the bus, in which commands and pushes of other nodes may have been lost.

Every connection concerned is checked: it is closed if its session has ended, and otherwise put into the rooms of the
user's conversations and out of all others. Then the client is told to sync. Connections are processed in slices, so
that thousands of them neither load the database nor sync at the same moment. If the database is away, clients are told
to sync anyway, and their connections are checked when the database is back.
"""

from collections.abc import Callable, Iterator

from imapp.cluster.bus import bus
from imapp.database import errors, transactions
from imapp.events import SessionEnded, SyncRequired
from imapp.logs import get_logger
from imapp.realtime.connections import Connection
from imapp.realtime.handshake import MEMBERSHIP_READS_MAX, correct_rooms
from imapp.realtime.server import RealtimeServer
from imapp.services.accounts import authentication
from imapp.services.messaging import membership

log = get_logger(__name__)

#: Connections in one slice, and the pause in seconds between two slices: 5,000 connections take two seconds.
_SLICE = 250
_PAUSE = 0.1

#: Seconds until connections are checked again if the database was away.
_RETRY_SECONDS = 3.0


class SidSet:
    """A set of connections to check together. Adding the first one calls `start`."""

    def __init__(self, start: Callable[[], object]) -> None:
        self._start = start
        self._sids: set[str] = set()

    def put(self, sids: list[str]) -> None:
        """Add connections to the set."""
        is_first = not self._sids
        self._sids.update(sids)
        if is_first and self._sids:
            self._start()

    def take(self) -> list[str]:
        """Return the connections added since the last call, and empty the set."""
        taken, self._sids = self._sids, set()
        return list(taken)


class Resync:
    """See the module. Its work runs in the background and never raises."""

    def __init__(self, server: RealtimeServer) -> None:
        self._server = server
        #: Connections that may be in wrong rooms, and those that could not be checked.
        self._to_recheck = SidSet(lambda: server.start_background_task(self._recheck))
        self._to_retry = SidSet(lambda: server.start_background_task(self._retry))

    def recheck(self, sids: list[str]) -> None:
        """Compare the rooms of these connections with the stored memberships soon."""
        self._to_recheck.put(sids)

    def run(self, sids: list[str], reason: str) -> None:
        """Close or correct these connections and tell their clients to sync; never raises."""
        log.info("catching_up", connections=len(sids), reason=reason)
        for some in self._slices(sids):
            self._check(some, reason)

    def _retry(self) -> None:
        """Check the connections that could not be checked before; repeated until the database is back."""
        self._server.sleep(_RETRY_SECONDS)
        for some in self._slices(self._to_retry.take()):
            self._check(some, "late", is_again=True)

    def _recheck(self) -> None:
        """Put the gathered connections into the rooms of their users' conversations and out of all others.

        Connections that were missing in a room are told to sync, because they did not get the events pushed there. The
        connections of _PAUSE seconds are handled together.
        """
        self._server.sleep(_PAUSE)
        with self._server.app.app_context():
            connections = self._open(self._to_recheck.take())
            try:
                self._tell(self._correct(connections), "joined")
            except Exception as exc:  # noqa: BLE001 - every failure is handled in the same way
                self._failed(connections, exc)

    def _slices(self, sids: list[str]) -> Iterator[list[Connection]]:
        for start in range(0, len(sids), _SLICE):
            if start:
                self._server.sleep(_PAUSE)
            yield self._open(sids[start : start + _SLICE])

    def _open(self, sids: list[str]) -> list[Connection]:
        return [connection for sid in sids if (connection := self._server.connections.get(sid))]

    def _check(self, connections: list[Connection], reason: str, *, is_again: bool = False) -> None:
        """Check these connections and tell their clients to sync, even if the check fails.

        `is_again`: a repeated check. Its clients were told to sync before; they are told again only if it succeeds.
        """
        with self._server.app.app_context():
            try:
                connections = self._close_ended(connections)
                self._correct(connections)
            except Exception as exc:  # noqa: BLE001 - every failure is handled in the same way
                self._failed(connections, exc)
                if is_again:
                    return
            self._tell(connections, reason)

    def _failed(self, connections: list[Connection], exc: Exception) -> None:
        is_bug = errors.as_app_error(exc) is None
        log.warning("catching_up_unchecked", error=type(exc).__name__, exc_info=exc if is_bug else None)
        if not is_bug:
            self._to_retry.put([connection.sid for connection in connections])

    def _tell(self, connections: list[Connection], reason: str) -> None:
        event = SyncRequired(reason=reason)
        for connection in connections:
            self._server.emit(event.name, event.wire(), to=connection.sid, namespace=bus.NAMESPACE, ignore_queue=True)

    def _close_ended(self, connections: list[Connection]) -> list[Connection]:
        """Close the connections with an ended session; return the others."""
        ended = authentication.ended_sessions({connection.session_id for connection in connections})
        event = SessionEnded(code="session_revoked")
        for connection in connections:
            if connection.session_id in ended:
                self._server.emit(
                    event.name, event.wire(), to=connection.sid, namespace=bus.NAMESPACE, ignore_queue=True
                )
                self._server.disconnect(connection.sid, namespace=bus.NAMESPACE)
        return [connection for connection in connections if connection.session_id not in ended]

    def _correct(self, connections: list[Connection]) -> list[Connection]:
        """Put the connections into the right rooms; return those that were missing in a room.

        A removal takes its user out of the room before it is committed. So a missing room is entered only if the user
        is still a member _PAUSE seconds later, when that commit must be done.
        """
        missing = self._put(connections, enters=False)
        if missing:
            self._server.sleep(_PAUSE)
            missing = self._put(missing, enters=True)
            transactions.release()  # do not hold a database connection while waiting for Redis
            bus.settle()
        self._server.upkeep.record_baselines()
        return missing

    def _put(self, connections: list[Connection], *, enters: bool) -> list[Connection]:
        memberships = _memberships({connection.user_id for connection in connections})
        return [
            connection
            for connection in connections
            if self._server.connections.get(connection.sid) is connection
            and correct_rooms(self._server, connection, memberships[connection.user_id], enters=enters)
        ]


def _memberships(user_ids: set[int]) -> dict[int, set[int]]:
    """Return the conversation ids of each user; read again if any user entered or left a room meanwhile."""
    for _ in range(MEMBERSHIP_READS_MAX - 1):
        move = bus.last_move()
        found = membership.conversation_ids_of(user_ids)
        if bus.last_move() == move:
            return found
    return membership.conversation_ids_of(user_ids)
