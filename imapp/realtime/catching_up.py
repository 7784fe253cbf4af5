"""After a gap on the bus: orders of other nodes may have been lost, and pushes.

Every connection concerned is looked at again: one whose session has ended is closed, one that is in rooms of
conversations that the user has left is taken out of them. Then it is told to sync. In slices, so that thousands
neither burden the database at one moment nor sync at one moment.
"""

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


def run(server: Any, sids: list[str], reason: str) -> None:
    """Bring these connections up to date and tell them to sync; never raises."""
    log.info("catching_up", connections=len(sids), reason=reason)
    for start in range(0, len(sids), _SLICE):
        if start:
            server.sleep(_PAUSE)
        with server.app.app_context():
            _look_after(
                server, [c for sid in sids[start : start + _SLICE] if (c := server.connections.get(sid))], reason
            )


def recheck(server: Any) -> None:
    """Take connections out of rooms of which their users are no members; those of some milliseconds together."""
    server.sleep(_PAUSE)
    with server.app.app_context():
        try:
            _correct(server, [c for sid in server.take_unchecked() if (c := server.connections.get(sid))])
        except Exception as exc:  # the order was signed; the next gap corrects what is left
            log.warning("rooms_unchecked", error=type(exc).__name__, exc_info=database.as_app_error(exc) is None)


def _look_after(server: Any, connections: list[Connection], reason: str) -> None:
    try:
        connections = _close_ended(server, connections)
        _correct(server, connections)
        server.note_heads()
    except Exception as exc:  # whatever failed, they must sync
        is_bug = database.as_app_error(exc) is None
        log.warning("catching_up_unchecked", error=type(exc).__name__, exc_info=is_bug)
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


def _correct(server: Any, connections: list[Connection]) -> None:
    """As in the handshake: again when anybody moved meanwhile, since what was read may be out of date."""
    for _ in range(LOOKS):
        move = bus.last_move()
        memberships = membership.conversation_ids_of({connection.user_id for connection in connections})
        for connection in connections:
            if server.connections.get(connection.sid) is connection:
                correct_rooms(server, connection, memberships[connection.user_id])
        bus.settle()
        if bus.last_move() == move:
            return
