"""Heartbeat (Engine.IO protocol 4): the server pings each client and ends its session if no pong arrives in time."""

import time
from typing import Protocol

from imapp.engine.engineio_packets import PING, OutgoingPacket, PacketError
from imapp.engine.host import SessionHost
from imapp.engine.websocket import WebSocket

_PING = OutgoingPacket(PING)

#: Seconds after a ping within which nearly every live client has answered.
_LATE_SECONDS = 5.0

#: Maximum number of unsolicited pongs between two pings.
_UNSOLICITED_MAX = 20


class PingedSession(Protocol):
    """The session of a heartbeat."""

    #: None while the client polls.
    websocket: WebSocket | None

    def transmit(self, packet: OutgoingPacket) -> None:
        """Send a packet at once, even while others are held back."""

    def time_out(self) -> None:
        """End the session: no pong arrived in time."""


class Heartbeat:
    """The pings and pongs of a session until `stop`."""

    __slots__ = ("_awaits_pong", "_deadline", "_host", "_session", "_unsolicited")

    def __init__(self, host: SessionHost, session: PingedSession) -> None:
        self._host = host
        self._session: PingedSession | None = session
        self._awaits_pong = False
        #: Unsolicited pongs since the last ping.
        self._unsolicited = 0
        #: Time of the next ping, or time by which the pong must arrive (monotonic).
        self._deadline = time.monotonic() + host.ping_interval
        host.event_loop.timer_wheel.add(host.ping_interval, self)

    def stop(self) -> None:
        """Send no more pings: the session has ended. Its memory is freed at once, not when the wheel reaches it."""
        self._session = None

    def handle_pong(self) -> None:
        """Record a pong; raises PacketError after too many unsolicited ones."""
        if not self._awaits_pong:
            self._unsolicited += 1
            if self._unsolicited > _UNSOLICITED_MAX:
                raise PacketError("too many pongs")
        self._awaits_pong = False
        self._deadline = time.monotonic() + self._host.ping_interval

    def is_pong_late(self) -> bool:
        """Return whether a pong has been outstanding for some seconds."""
        waited = time.monotonic() - (self._deadline - self._host.ping_timeout)
        return self._awaits_pong and waited > min(_LATE_SECONDS, self._host.ping_timeout / 2)

    def check_deadline(self) -> bool:
        """Return whether a polling session is alive; end it at its deadline, because the wheel may be a tick late."""
        if self._session is not None and self._awaits_pong and time.monotonic() >= self._deadline:
            self._session.time_out()
        return self._session is not None

    def on_timer(self, now: float) -> None:
        """Send a ping, or end the session; called by the wheel when one of them may be due."""
        session = self._session
        if session is None:
            return
        if now >= self._deadline:
            if self._awaits_pong and not self._is_excused(session.websocket):
                session.time_out()
                return
            # Counted from the announced time, not from the wheel's late tick; at least half of the timeout remains.
            self._deadline = max(self._deadline, now - self._host.ping_timeout / 2) + self._host.ping_timeout
            if not self._awaits_pong:
                self._awaits_pong = True
                self._unsolicited = 0
                self._is_reading(session.websocket)  # starts the measurement: reading data counts as a sign of life
                session.transmit(_PING)  # even during a CONNECT: a handler may take longer than the ping timeout
        self._host.event_loop.timer_wheel.add(self._deadline - now, self)

    def _is_excused(self, websocket: WebSocket | None) -> bool:
        """Return whether the pong may be unread on this side, or the ping be queued behind data that a client reads."""
        return websocket is not None and (self._is_reading(websocket) or websocket.is_paused)

    def _is_reading(self, websocket: WebSocket | None) -> bool:
        # Every client gets at least half of the timeout between a ping and the check of its deadline, see `on_timer`.
        return websocket is not None and websocket.send_buffer.is_client_reading(self._host.ping_timeout / 2)
