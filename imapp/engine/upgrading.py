"""The upgrade from long-polling to WebSocket (Engine.IO protocol 4, "Upgrade"): probe, answer, upgrade."""

from imapp.engine.engineio_packets import PONG, Incoming, OutgoingPacket
from imapp.engine.frames import POLICY
from imapp.engine.session import Session
from imapp.engine.websocket import WebSocket

#: Seconds from the opening of the WebSocket within which the client must send the upgrade packet.
_PROBE_SECONDS = 10.0

_ANSWER = OutgoingPacket(PONG, "probe")


class UpgradeProbe:
    """A WebSocket that a polling session probes; the session continues polling if the upgrade fails."""

    __slots__ = ("_is_answered", "_session", "websocket")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._is_answered = False
        self.websocket: WebSocket | None = None
        session.probe = self
        session.host.event_loop.timer_wheel.add(_PROBE_SECONDS, self)

    def messages_received(self, messages: list[Incoming]) -> None:
        """Handle the packets of the probe, and upgrade the session at the upgrade packet."""
        for index, message in enumerate(messages):
            if self._session.closed:
                self._cancel()
            elif message == "2probe" and not self._is_answered:
                self._answer()
            elif message == "5" and self._is_answered and self._session.probe is self:
                self._upgrade(messages[index + 1 :])
                return
            else:
                self._cancel()
                return

    def _answer(self) -> None:
        self._is_answered = True
        if self._session.polling is not None:
            self._session.polling.begin_probe()
        if self.websocket is not None:
            self.websocket.send_buffer.send(_ANSWER.frame)
            # Flush now: a concurrent poll is answered before the end of the turn, and a client that receives the poll's
            # answer first would take the probe's answer for the next packet.
            self.websocket.send_buffer.flush()

    def _upgrade(self, rest: list[Incoming]) -> None:
        session, websocket = self._session, self.websocket
        if websocket is not None:
            session.probe = None
            session.upgrade(websocket)
            if rest:
                session.messages_received(rest)

    def connection_lost(self, reason: str) -> None:
        """Return to polling, because the WebSocket has ended."""
        if self._session.probe is self:
            self._session.probe = None
            if self._session.polling is not None:
                self._session.polling.is_probed = False

    def on_timer(self, now: float) -> None:
        """Cancel the probe at its deadline."""
        if self._session.probe is self:
            self._cancel()

    def _cancel(self) -> None:
        if self.websocket is not None:
            self.websocket.close(POLICY, "no upgrade")
        self.connection_lost("")
