"""From long-polling to WebSocket (Engine.IO protocol 4, "Upgrade"): probe, answer, upgrade."""

from typing import TYPE_CHECKING

from imapp.engine.frames import POLICY
from imapp.engine.packets import PONG, Incoming, Out
from imapp.engine.websocket import WebSocket

if TYPE_CHECKING:
    from imapp.engine.session import Session

#: Seconds that a client may take from the WebSocket's opening to the upgrade packet.
_PROBE_SECONDS = 10.0

_ANSWER = Out(PONG, "probe")


class Probe:
    """A WebSocket that a polling session tries out; the session goes on polling if nothing comes of it."""

    __slots__ = ("_is_probed", "_session", "websocket")

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._is_probed = False
        self.websocket: WebSocket | None = None
        session.probe = self
        session.server.tools.wheel.add(_PROBE_SECONDS, self)

    def take(self, messages: list[Incoming]) -> None:
        """Packets came."""
        for index, message in enumerate(messages):
            if self._session.closed:
                self._give_up()
            elif message == "2probe" and not self._is_probed:
                self._answer()
            elif message == "5" and self._is_probed and self._session.probe is self:
                self._upgrade(messages[index + 1 :])
                return
            else:
                self._give_up()
                return

    def _answer(self) -> None:
        self._is_probed = True
        if self._session.polling is not None:
            self._session.polling.probe()
        if self.websocket is not None:
            self.websocket.send(_ANSWER.frame)
            # Now: a poll that came in the same moment is answered before the end of the turn, and who hears its
            # answer first takes this one for the next packet.
            self.websocket.flush()

    def _upgrade(self, rest: list[Incoming]) -> None:
        session, websocket = self._session, self.websocket
        if websocket is not None:
            session.probe = None
            session.upgrade(websocket)
            if rest:
                session.take(rest)

    def gone(self, reason: str) -> None:
        """The WebSocket ended: back to polling."""
        if self._session.probe is self:
            self._session.probe = None
            if self._session.polling is not None:
                self._session.polling.is_probed = False

    def on_time(self, now: float) -> None:
        """The time for it is up."""
        if self._session.probe is self:
            self._give_up()

    def _give_up(self) -> None:
        if self.websocket is not None:
            self.websocket.close(POLICY, "no upgrade")
        self.gone("")
