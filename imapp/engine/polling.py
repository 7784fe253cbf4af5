"""The packets of Engine.IO's long-polling: they wait for the client's next GET, or a GET waits for them."""

from gevent.event import Event

from imapp.engine.engineio_packets import NOOP, OutgoingPacket

_NOOP = OutgoingPacket(NOOP)


class Polling:
    """The packets that wait for a polling client."""

    __slots__ = ("_event", "_packets", "is_posting", "is_probed", "size")

    def __init__(self) -> None:
        self._packets: list[OutgoingPacket] = []
        #: Set when the waiting GET must be answered; None while no GET waits.
        self._event: Event | None = None
        #: Whether a POST is in progress, and whether the client is probing a WebSocket.
        self.is_posting = False
        self.is_probed = False
        #: Sum of the lengths of the waiting packets, in characters.
        self.size = 0

    @property
    def has_waiting_get(self) -> bool:
        """Return whether a GET waits for packets."""
        return self._event is not None

    def put(self, packet: OutgoingPacket) -> None:
        """Queue a packet for the waiting GET, or for the next one."""
        self._packets.append(packet)
        self.size += len(packet.data)
        self._wake()

    def _wake(self) -> None:
        if self._event is not None and not (self.is_probed and self._packets != [_NOOP]):
            self._event.set()

    def begin_probe(self) -> None:
        """Answer the waiting GET, and keep packets for the WebSocket that the client is probing."""
        self.is_probed = True
        if self._event is not None:
            self._event.set()

    def end_by_upgrade(self) -> list[OutgoingPacket]:
        """End polling after an upgrade: answer a waiting GET with a NOOP; return the packets for the WebSocket."""
        left, self._packets = self._packets, []
        self.end(_NOOP)
        return left

    def end(self, last: OutgoingPacket) -> None:
        """End polling: answer a waiting GET with the queued packets and `last`."""
        self._packets.append(last)
        self.is_probed = False
        self._wake()

    def wait(self, seconds: float) -> list[OutgoingPacket]:
        """Return the packets for a GET; wait for them up to `seconds`."""
        if not self._packets and not self.is_probed:
            self._event = Event()
            self._event.wait(seconds)
            self._event = None
        if self.is_probed:
            return [_NOOP]
        packets, self._packets, self.size = self._packets, [], 0
        return packets or [_NOOP]
