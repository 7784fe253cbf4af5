"""Periodic checks of connections: closes those with an expired token, and sockets that never authenticate."""

import time
from datetime import timedelta

from imapp.clock import now
from imapp.cluster.bus import bus
from imapp.events import SessionEnded, TokenExpiring
from imapp.logs import get_logger
from imapp.node import node_of
from imapp.realtime.server import RealtimeServer

log = get_logger(__name__)

#: Seconds between two checks of all connections; checking 10,000 takes about a millisecond.
_TICK_SECONDS = 1.0


def run(server: RealtimeServer) -> None:
    """Check the connections every second, without end; started with the first connection."""
    while True:
        server.sleep(_TICK_SECONDS)
        try:
            with server.app.app_context():
                tick(server)
        except Exception:  # the checks must go on
            log.exception("housekeeping_failed")


def tick(server: RealtimeServer) -> None:
    """Warn clients before their token expires, close connections when it does, close sockets that sent no CONNECT."""
    moment = now()
    lead = timedelta(seconds=node_of(server.app).settings.token_expiring_lead_seconds)
    for connection in server.connections.all():
        if connection.expires_at <= moment:
            log.info("token_expired", user_id=connection.user_id, sid=connection.sid)
            bus.publish(SessionEnded(code="token_expired"), connection.sid)
            server.disconnect(connection.sid, namespace=bus.NAMESPACE)
        elif not connection.is_warned and connection.expires_at - lead <= moment:
            connection.is_warned = True
            bus.publish(TokenExpiring(expires_at=connection.expires_at), connection.sid)
    waiting = server.connections.waiting
    for eio_sid, deadline in list(waiting.items()):
        if deadline <= time.monotonic():
            waiting.pop(eio_sid, None)
            log.info("connect_awaited_in_vain")
            server.eio.disconnect(eio_sid)
