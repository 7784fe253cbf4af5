"""Heartbeat (Engine.IO protocol 4): the server pings each client and ends its session if no pong arrives in time."""

import time
from typing import TYPE_CHECKING, Any

from imapp.engine.engineio_packets import PING, OutgoingPacket, PacketError
from imapp.engine.websocket import WebSocket

if TYPE_CHECKING:
    from imapp.engine.server import EngineServer

_PING = OutgoingPacket(PING)

#: Seconds after a ping within which nearly every live client has answered.
_DOUBT_SECONDS = 5.0

#: Maximum number of unsolicited pongs between two pings.
_UNSOLICITED_MAX = 20


class Heart:
    """The heartbeat of a session."""

    __slots__ = ("_awaits_pong", "_deadline", "_unsolicited", "closed", "server", "websocket")

    def __init__(self, server: "EngineServer") -> None:
        self.server = server
        self.closed = False
        #: The transport in use is the WebSocket if there is one, else long-polling.
        self.websocket: WebSocket | None = None
        self._awaits_pong = False
        #: Unsolicited pongs since the last ping.
        self._unsolicited = 0
        #: Time of the next ping, or time by which the pong must arrive (monotonic).
        self._deadline = time.monotonic() + server.ping_interval
        server.tools.wheel.add(server.ping_interval, self)

    def transmit(self, packet: Any, *, is_room: bool = False) -> None:
        """Send over the transport in use."""
        raise NotImplementedError

    def time_out(self) -> None:
        """End the session: no pong arrived in time."""
        raise NotImplementedError

    def _take_pong(self) -> None:
        """Record a pong; raises PacketError after too many unsolicited ones."""
        if not self._awaits_pong:
            self._unsolicited += 1
            if self._unsolicited > _UNSOLICITED_MAX:
                raise PacketError("too many pongs")
        self._awaits_pong = False
        self._deadline = time.monotonic() + self.server.ping_interval

    def is_doubtful(self) -> bool:
        """Return whether a pong has been outstanding for some seconds."""
        waited = time.monotonic() - (self._deadline - self.server.ping_timeout)
        return self._awaits_pong and waited > min(_DOUBT_SECONDS, self.server.ping_timeout / 2)

    def on_time(self, now: float) -> None:
        """Send a ping, or end the session; called by the wheel when one of them may be due."""
        if self.closed:
            return
        if now >= self._deadline:
            if self._awaits_pong and not self._is_excused():
                self.time_out()
                return
            # Counted from the announced time, not from the wheel's late tick; at least half of the timeout remains.
            self._deadline = max(self._deadline, now - self.server.ping_timeout / 2) + self.server.ping_timeout
            if not self._awaits_pong:
                self._awaits_pong = True
                self._unsolicited = 0
                self._is_taking()  # starts the measurement: reading data counts as a sign of life
                self.transmit(_PING)  # not held back during a CONNECT: a handler may take longer than the ping timeout
        self.server.tools.wheel.add(self._deadline - now, self)

    def _is_excused(self) -> bool:
        """Return whether the pong may be unread on this side, or the ping be queued behind data that a client reads."""
        return self._is_taking() or (self.websocket is not None and self.websocket.is_paused)

    def _is_taking(self) -> bool:
        # Every client gets at least half of the timeout between a ping and the check of its deadline, see `on_time`.
        return self.websocket is not None and self.websocket.is_taking(self.server.ping_timeout / 2)

    def check_ping_timeout(self) -> bool:
        """Return whether a polling session is alive; end it at its deadline, because the wheel may be a tick late."""
        if not self.closed and self._awaits_pong and time.monotonic() >= self._deadline:
            self.time_out()
        return not self.closed
