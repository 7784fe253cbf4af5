"""The server as its sessions see it, so that session.py does not import server.py, which creates sessions."""

from typing import Protocol

from imapp.engine.admission import Admission
from imapp.engine.engineio_packets import Incoming
from imapp.engine.event_loop import EventLoop
from imapp.engine.greenlet_pool import GreenletPool
from imapp.engine.limits import Limits


class SessionHost(Protocol):
    """The server of a session."""

    limits: Limits
    admission: Admission
    #: Seconds between two pings, and seconds in which a ping must be answered.
    ping_interval: float
    ping_timeout: float

    @property
    def event_loop(self) -> EventLoop:
        """Return the event loop that all connections share."""

    def pool(self, *, is_connecting: bool) -> GreenletPool:
        """Return the greenlets that handle the messages of connecting or of connected clients."""

    def handle_message(self, sid: str, data: Incoming) -> None:
        """Handle a message; may block."""

    def handle_disconnect(self, sid: str, reason: str | None) -> None:
        """Call the application's disconnect handler; may block."""

    def remove_session(self, sid: str, reason: str) -> None:
        """Remove a session that has ended; must not block."""
