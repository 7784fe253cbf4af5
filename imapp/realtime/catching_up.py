"""After a gap on the bus: orders of other nodes may have been lost, and pushes.

Every connection concerned is looked at again: one whose session has ended is closed, one that is in rooms of
conversations that the user has left is taken out of them. Then it is told to sync. In slices, so that thousands
neither burden the database at one moment nor sync at one moment. While the database is away they are told to sync all
the same, and looked after when it is back.
"""

from collections.abc import Callable, Iterator
from typing import Any

from imapp import database
from imapp.cluster import bus
from imapp.events import SessionEnded, SyncRequired
from imapp.logs import get_logger
from imapp.realtime.connections import Connection
from imapp.realtime.handshake import LOOKS, correct_rooms
from imapp.services import access, membership

log = get_logger(__name__)

#: Connections that are looked after at one time, and the pause in seconds until the next: 5,000 take two seconds.
_SLICE = 250
_PAUSE = 0.1

#: Seconds until connections are looked after again that could not be, because the database is away.
_AGAIN_SECONDS = 3.0


class Gathering:
    """Connections that are to be looked at together; the first one starts the work."""

    def __init__(self, start: Callable[[], object]) -> None:
        self._start = start
        self._sids: set[str] = set()

    def put(self, sids: list[str]) -> None:
        """Have these looked at, too."""
        is_first = not self._sids
        self._sids.update(sids)
        if is_first and self._sids:
            self._start()

    def take(self) -> list[str]:
        """Those that were put here since the last call."""
        taken, self._sids = self._sids, set()
        return list(taken)


def run(server: Any, sids: list[str], reason: str) -> None:
    """Bring these connections up to date and tell them to sync; never raises."""
    log.info("catching_up", connections=len(sids), reason=reason)
    for some in _slices(server, sids):
        _look_after(server, some, reason)


def run_again(server: Any) -> None:
    """The same for those that could not be looked after; again and again, until the database is back."""
    server.sleep(_AGAIN_SECONDS)
    for some in _slices(server, server.unlooked.take()):
        _look_after(server, some, "late", is_again=True)


def recheck(server: Any) -> None:
    """Put connections into the rooms of their users' conversations and no others; those of some milliseconds together.

    Who was missing in a room did not hear what was pushed there.
    """
    server.sleep(_PAUSE)
    with server.app.app_context():
        connections = _living(server, server.unchecked.take())
        try:
            _tell(server, _correct(server, connections), "joined")
        except Exception as exc:  # noqa: BLE001 - every failure is handled in the same way
            _failed(server, connections, exc)


def _slices(server: Any, sids: list[str]) -> Iterator[list[Connection]]:
    for start in range(0, len(sids), _SLICE):
        if start:
            server.sleep(_PAUSE)
        yield _living(server, sids[start : start + _SLICE])


def _living(server: Any, sids: list[str]) -> list[Connection]:
    return [connection for sid in sids if (connection := server.connections.get(sid))]


def _look_after(server: Any, connections: list[Connection], reason: str, *, is_again: bool = False) -> None:
    """Whatever fails, they must sync; `is_again`: they have been told so already, and are told when it is done."""
    with server.app.app_context():
        try:
            connections = _close_ended(server, connections)
            _correct(server, connections)
        except Exception as exc:  # noqa: BLE001 - every failure is handled in the same way
            _failed(server, connections, exc)
            if is_again:
                return
        _tell(server, connections, reason)


def _failed(server: Any, connections: list[Connection], exc: Exception) -> None:
    is_bug = database.as_app_error(exc) is None
    log.warning("catching_up_unchecked", error=type(exc).__name__, exc_info=exc if is_bug else None)
    if not is_bug:
        server.unlooked.put([connection.sid for connection in connections])


def _tell(server: Any, connections: list[Connection], reason: str) -> None:
    event = SyncRequired(reason=reason)
    for connection in connections:
        server.emit(event.name, event.wire(), to=connection.sid, namespace=bus.NAMESPACE, ignore_queue=True)


def _close_ended(server: Any, connections: list[Connection]) -> list[Connection]:
    """Close those whose session has ended; give the others."""
    ended = access.ended_sessions({connection.session_id for connection in connections})
    event = SessionEnded(code="session_revoked")
    for connection in connections:
        if connection.session_id in ended:
            server.emit(event.name, event.wire(), to=connection.sid, namespace=bus.NAMESPACE, ignore_queue=True)
            server.disconnect(connection.sid, namespace=bus.NAMESPACE)
    return [connection for connection in connections if connection.session_id not in ended]


def _correct(server: Any, connections: list[Connection]) -> list[Connection]:
    """Give those who were missing in a room.

    A removal takes its user out of the room before it is committed. So a room is entered only if the user is a member
    still when that commit must be done.
    """
    missing = _put(server, connections, enters=False)
    if missing:
        server.sleep(_PAUSE)
        missing = _put(server, missing, enters=True)
        database.release()  # as in the handshake
        bus.settle()
    server.note_heads()
    return missing


def _put(server: Any, connections: list[Connection], *, enters: bool) -> list[Connection]:
    memberships = _memberships({connection.user_id for connection in connections})
    return [
        connection
        for connection in connections
        if server.connections.get(connection.sid) is connection
        and correct_rooms(server, connection, memberships[connection.user_id], enters=enters)
    ]


def _memberships(user_ids: set[int]) -> dict[int, set[int]]:
    """Read again when anybody moved meanwhile: what was read may be out of date."""
    for _ in range(LOOKS - 1):
        move = bus.last_move()
        found = membership.conversation_ids_of(user_ids)
        if bus.last_move() == move:
            return found
    return membership.conversation_ids_of(user_ids)
