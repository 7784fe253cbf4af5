"""Heartbeat (Engine.IO protocol 4): each client is asked whether it is there, and given up if it does not answer."""

import time
from typing import TYPE_CHECKING, Any

from imapp.engine.packets import PING, Out, PacketError
from imapp.engine.websocket import WebSocket

if TYPE_CHECKING:
    from imapp.engine.server import EngineServer

_PING = Out(PING)

#: Seconds after a ping within which nearly every client that is there has answered.
_DOUBT_SECONDS = 5.0

#: Pongs between two pings that no ping asked for.
_UNASKED_MAX = 20


class Heart:
    """A session's part that beats."""

    __slots__ = ("_awaits_pong", "_deadline", "_unasked", "closed", "server", "websocket")

    def __init__(self, server: "EngineServer") -> None:
        self.server = server
        self.closed = False
        #: The transport in use is the WebSocket if there is one, else long-polling.
        self.websocket: WebSocket | None = None
        self._awaits_pong = False
        #: Pongs since the last ping that no ping asked for.
        self._unasked = 0
        #: When the next ping is due, or the pong must have come.
        self._deadline = time.monotonic() + server.ping_interval
        server.tools.wheel.add(server.ping_interval, self)

    def transmit(self, packet: Any, *, is_room: bool = False) -> None:
        """Send over the transport in use."""
        raise NotImplementedError

    def time_out(self) -> None:
        """No pong came in time."""
        raise NotImplementedError

    def _ponged(self) -> None:
        """Note a pong; raises PacketError when too many come that nobody asked for."""
        if not self._awaits_pong:
            self._unasked += 1
            if self._unasked > _UNASKED_MAX:
                raise PacketError("too many pongs")
        self._awaits_pong = False
        self._deadline = time.monotonic() + self.server.ping_interval

    def is_doubtful(self) -> bool:
        """Whether a ping has waited for its pong for some seconds."""
        waited = time.monotonic() - (self._deadline - self.server.ping_timeout)
        return self._awaits_pong and waited > min(_DOUBT_SECONDS, self.server.ping_timeout / 2)

    def on_time(self, now: float) -> None:
        """Send a ping, or give the client up: the wheel calls when one of them may be due."""
        if self.closed:
            return
        if now >= self._deadline:
            if self._awaits_pong and not self._is_excused():
                self.time_out()
                return
            # As announced, not as late as the wheel may be; but a client gets at least half of the time.
            self._deadline = max(self._deadline, now - self.server.ping_timeout / 2) + self.server.ping_timeout
            if not self._awaits_pong:
                self._awaits_pong = True
                self._unasked = 0
                self._is_taking()  # from here on, what it takes is an answer of a kind
                self.transmit(_PING)  # never held back: a handler may take longer than a client has for its pong
        self.server.tools.wheel.add(self._deadline - now, self)

    def _is_excused(self) -> bool:
        """Whether the pong may wait unread, or the ping be on its way behind what the client takes bit by bit."""
        return self._is_taking() or (self.websocket is not None and self.websocket.is_paused)

    def _is_taking(self) -> bool:
        # Half of the time is what every client gets between a ping and the look at its deadline, see `on_time`.
        return self.websocket is not None and self.websocket.is_taking(self.server.ping_timeout / 2)

    def check_ping_timeout(self) -> bool:
        """Whether one that polls is alive; ends it when its time is up, though the wheel may be a tick late."""
        if not self.closed and self._awaits_pong and time.monotonic() >= self._deadline:
            self.time_out()
        return not self.closed
