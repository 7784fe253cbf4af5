"""The node goes away: nothing new is let in, what is under way is finished, clients are sent on at a pace.

In a cluster each client is told its own moment to come back, so spread that the other nodes can take them, and is
let go at that moment: until then it is served. A node that is alone lets all go at once; they come back to it.
No Socket.IO DISCONNECT: clients take that as "stay away", and a closed transport as "reconnect".
"""

import random
import time
from typing import Any

from imapp.cluster import bus
from imapp.events import ServerDraining
from imapp.logs import get_logger
from imapp.realtime.connections import Connection

log = get_logger(__name__)

#: Milliseconds over which the clients of a node that is alone are asked to spread their return.
_ALONE_MS = (500, 5000)

#: Seconds at the end that are left for what clients sent at the last moment.
_RESERVE_SECONDS = 2.0

#: Seconds in which all go that are due, together.
_STEP_SECONDS = 0.1


def drain(server: Any, *, other_nodes: int, seconds: float, per_second: int) -> None:
    """Let all clients go within `seconds`; each other node takes `per_second` of them."""
    server.is_draining = True
    connections = server.connections.all()
    log.info("draining", connections=len(connections), other_nodes=other_nodes)
    if other_nodes == 0:
        _tell(server, connections, lambda _index: random.randint(*_ALONE_MS))  # noqa: S311 - a spread, not a secret
    else:
        window = min(len(connections) / (per_second * other_nodes), max(0.0, seconds - _RESERVE_SECONDS))
        random.shuffle(connections)
        send_on(server, connections, window)
    close_all(server)


def send_on(server: Any, connections: list[Connection], seconds: float) -> None:
    """Tell each of these clients its moment to reconnect, spread over `seconds`, and close it at that moment."""
    _tell(server, connections, lambda index: round(1000 * seconds * index / len(connections)))
    _let_go(server, connections, seconds)


def _tell(server: Any, connections: list[Connection], delay_ms: Any) -> None:
    for index, connection in enumerate(connections):
        event = ServerDraining(reconnect_after_ms=delay_ms(index))
        server.emit(event.name, event.wire(), to=connection.sid, ignore_queue=True)


def _let_go(server: Any, connections: list[Connection], window: float) -> None:
    """Close each at its moment, when what it sent is answered."""
    began = time.monotonic()
    gone = 0
    while gone < len(connections):
        share = (time.monotonic() - began) / window if window else 1.0
        due = min(len(connections), int(share * len(connections)) + 1)
        for connection in connections[gone:due]:
            connection.wait_for_queued(_STEP_SECONDS)
            # Many go by themselves when they are told; python-socketio knows nothing of a room that all have left.
            if server.manager.is_connected(connection.sid, bus.NAMESPACE):
                server.hang_up(server.manager.eio_sid_from_sid(connection.sid, bus.NAMESPACE))
        gone = due
        server.sleep(_STEP_SECONDS)


def close_all(server: Any) -> None:
    """Close every transport that is left."""
    for eio_sid in list(server.eio.sockets):
        server.hang_up(eio_sid)
