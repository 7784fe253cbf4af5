"""Draining of a node that stops: it accepts no new connection, finishes running commands, and sends its clients away.

In a cluster each client is told its own moment to reconnect, and is served until its connection is closed at that
moment. The moments are spread so that the other nodes can take the clients. A node without other nodes closes all
connections at once, and the clients come back to it. The server sends no Socket.IO DISCONNECT: clients reconnect after
a closed transport, but not after a DISCONNECT.
"""

import random
import time
from collections.abc import Callable

from imapp.cluster.bus import bus
from imapp.events import ServerDraining
from imapp.logs import get_logger
from imapp.realtime.connections import Connection
from imapp.realtime.server import RealtimeServer

log = get_logger(__name__)

#: Bounds in milliseconds of the random delay after which clients reconnect, if there is no other node.
_ALONE_MS = (500, 5000)

#: Seconds at the end of the drain that are kept for commands sent at the last moment.
_RESERVE_SECONDS = 2.0

#: Seconds between two batches of closed connections, and the longest wait for a connection's queued commands.
_STEP_SECONDS = 0.1


def drain(server: RealtimeServer, *, other_nodes: int, seconds: float, per_second: int) -> None:
    """Close all connections within `seconds`; each other node gets `per_second` clients a second, or more if needed."""
    server.is_draining = True
    connections = server.connections.all()
    log.info("draining", connections=len(connections), other_nodes=other_nodes)
    if other_nodes == 0:
        _tell(server, connections, lambda _index: random.randint(*_ALONE_MS))  # noqa: S311 - a spread, not a secret
    else:
        window = min(len(connections) / (per_second * other_nodes), max(0.0, seconds - _RESERVE_SECONDS))
        random.shuffle(connections)
        move_clients(server, connections, window)
    close_all(server)


def move_clients(server: RealtimeServer, connections: list[Connection], seconds: float) -> None:
    """Tell these clients when to reconnect, spread over `seconds`, and close each connection at its moment.

    A connection's queued commands are answered first.
    """
    _tell(server, connections, lambda index: round(1000 * seconds * index / len(connections)))
    began = time.monotonic()
    gone = 0
    while gone < len(connections):
        share = (time.monotonic() - began) / seconds if seconds else 1.0
        due = min(len(connections), int(share * len(connections)) + 1)
        for connection in connections[gone:due]:
            connection.wait_for_queued(_STEP_SECONDS)
            # Many clients disconnect by themselves when told. If none is left, python-socketio's lookup of a sid fails.
            if server.manager.is_connected(connection.sid, bus.NAMESPACE):
                server.hang_up(server.manager.eio_sid_from_sid(connection.sid, bus.NAMESPACE))
        gone = due
        server.sleep(_STEP_SECONDS)


def _tell(server: RealtimeServer, connections: list[Connection], delay_ms: Callable[[int], int]) -> None:
    for index, connection in enumerate(connections):
        event = ServerDraining(reconnect_after_ms=delay_ms(index))
        server.emit(event.name, event.wire(), to=connection.sid, ignore_queue=True)


def close_all(server: RealtimeServer) -> None:
    """Close all remaining transports."""
    for eio_sid in list(server.eio.sockets):
        server.hang_up(eio_sid)
