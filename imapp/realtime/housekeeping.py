"""What happens to connections as time passes: tokens end, and sockets that never identify themselves are closed."""

import time
from datetime import timedelta
from typing import Any

from imapp.cluster import bus
from imapp.events import SessionEnded, TokenExpiring
from imapp.logs import get_logger
from imapp.realtime.connections import Connection
from imapp.schemas.base import now

log = get_logger(__name__)

#: Seconds between two looks at all connections; 10,000 take about a millisecond.
_TICK_SECONDS = 1.0


def run(server: Any) -> None:
    """Look after the connections for ever; started with the first of them."""
    while True:
        server.sleep(_TICK_SECONDS)
        try:
            tick(server)
        except Exception:  # the next tick must come
            log.exception("housekeeping_failed")


def tick(server: Any) -> None:
    """Warn and close those whose token ends, close those that never sent CONNECT."""
    moment = now()
    lead = timedelta(seconds=server.app.config["IMAPP"].token_expiring_lead_seconds)
    for connection in server.connections.all():
        if connection.expires_at <= moment:
            _expire(server, connection)
        elif not connection.is_warned and connection.expires_at - lead <= moment:
            connection.is_warned = True
            bus.publish(TokenExpiring(expires_at=connection.expires_at), connection.sid)
    _close_silent(server)


def _expire(server: Any, connection: Connection) -> None:
    log.info("token_expired", user_id=connection.user_id, sid=connection.sid)
    bus.publish(SessionEnded(code="token_expired"), connection.sid)
    server.disconnect(connection.sid, namespace=bus.NAMESPACE)


def _close_silent(server: Any) -> None:
    waiting = server.connections.waiting
    for eio_sid, deadline in list(waiting.items()):
        if deadline <= time.monotonic():
            waiting.pop(eio_sid, None)
            log.info("connect_awaited_in_vain")
            server.eio.disconnect(eio_sid)
