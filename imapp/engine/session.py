"""One Engine.IO session: a client, with either transport.

Its messages wait in an inbox for a greenlet (greenlet_pool.py) and are handled in order, a bounded number at a time.
The end of the session keeps that order: the disconnect handler runs once, after the earlier messages, and never in the
event loop.
"""

from collections import deque
from collections.abc import Iterable

from gevent import getcurrent

from imapp.engine.engineio_packets import CLOSE, NOOP, Incoming, OutgoingPacket, PacketError
from imapp.engine.frames import GOING_AWAY, NORMAL, POLICY
from imapp.engine.heartbeat import Heartbeat
from imapp.engine.host import SessionHost
from imapp.engine.polling import Polling
from imapp.engine.websocket import Owner, WebSocket
from imapp.logs import get_logger

log = get_logger(__name__)

#: Number of refused CONNECTs at which the connection is closed.
_REFUSALS_MAX = 3

_CLOSE = OutgoingPacket(CLOSE)
_NOOP = OutgoingPacket(NOOP)


class Session:
    """A session, with the attribute and method names of python-engineio's Socket, which it replaces."""

    __slots__ = (
        "_app_data",
        "_end_reason",
        "_held",
        "_inbox",
        "_refusals",
        "address",
        "closed",
        "has_sent_connect",
        "heartbeat",
        "host",
        "is_busy",
        "is_connecting",
        "polling",
        "probe",
        "sid",
        "websocket",
    )

    def __init__(self, host: SessionHost, sid: str) -> None:
        self.host = host
        self.sid = sid
        self.closed = False
        #: The transport in use is the WebSocket if there is one, else long-polling.
        self.websocket: WebSocket | None = None
        self.polling: Polling | None = None
        #: The probe of a WebSocket to which the client may upgrade.
        self.probe: Owner | None = None
        self.heartbeat = Heartbeat(host, self)
        #: Whether a CONNECT has been handled, and whether no CONNECT has been accepted yet.
        self.has_sent_connect = False
        self.is_connecting = True
        #: Number of refused CONNECTs.
        self._refusals = 0
        #: The client's address while the session counts as connecting.
        self.address: str | None = None
        self._inbox: deque[Incoming] | None = None
        #: Whether a message, or the end of the session, is still to be handled.
        self.is_busy = False
        self._end_reason: str | None = None
        self._held: list[OutgoingPacket] | None = None
        self._app_data: dict[str, object] | None = None

    # -- interface of python-engineio's Socket -------------------------------------------------------------------------

    connected = True

    @property
    def closing(self) -> bool:
        """Return whether the session is ending or has ended."""
        return self.closed

    @property
    def upgraded(self) -> bool:
        """Return whether the session uses a WebSocket."""
        return self.websocket is not None

    @property
    def session(self) -> dict[str, object]:
        """Return the application's data about the session."""
        if self._app_data is None:
            self._app_data = {}
        return self._app_data

    @session.setter
    def session(self, value: dict[str, object]) -> None:
        self._app_data = value

    # -- outgoing ----------------------------------------------------------------------------------------------------

    def send(self, packet: OutgoingPacket, *, is_room: bool = False) -> None:
        """Send a packet; while a CONNECT is being decided, hold it back."""
        if self._held is not None:
            self._held.append(packet)
        else:
            self.transmit(packet, is_room=is_room)

    def transmit(self, packet: OutgoingPacket, *, is_room: bool = False) -> None:
        """Send over the transport in use."""
        if self.websocket is not None:
            self.websocket.send_buffer.send(packet.frame, is_room=is_room)
        elif self.polling is not None:
            self.polling.put(packet)
            if self.polling.size > self.host.limits.slow_bytes:
                self.abort("too slow: bytes")

    def hold_packets(self) -> None:
        """Hold back all packets until `answer_connect`."""
        self.has_sent_connect = True
        if self._held is None:
            self._held = []

    def answer_connect(self, answer: OutgoingPacket, *, is_accepted: bool) -> None:
        """Send the answer to a CONNECT, and then the held packets.

        A session without an accepted CONNECT loses the held packets: only the refused handler can have sent them. Other
        sessions get them, because a refusal by one namespace does not concern the others.
        """
        held, self._held = self._held, None
        if is_accepted:
            self.is_connecting = False
            self.leave_address()
            if self.websocket is not None:
                self.websocket.use_limits_of_connected()
        for packet in [answer, *([] if self.is_connecting else held or [])]:
            self.send(packet)

        if self.is_connecting:
            self._refusals += 1
            if self._refusals >= _REFUSALS_MAX:
                self.abort("transport error")

    def leave_address(self) -> None:
        """Stop counting as connecting: the CONNECT was accepted, or the client has disconnected."""
        address, self.address = self.address, None
        if address is not None:
            self.host.admission.leave(address)

    # -- incoming ----------------------------------------------------------------------------------------------------

    def messages_received(self, messages: list[Incoming]) -> None:
        """Handle packets from the WebSocket; end the session at an invalid one."""
        try:
            self.handle_packets(messages)
        except PacketError as exc:
            log.info("packet_malformed", reason=str(exc))
            self.abort("transport error")

    def handle_packets(self, packets: Iterable[Incoming]) -> None:
        """Handle packets up to the first invalid one, then raise PacketError."""
        for packet in packets:
            if not isinstance(packet, str) or packet[:1] == "4":
                self._queue(packet)
            elif packet == "3":
                self.heartbeat.handle_pong()
            elif packet == "1":
                self._end("client disconnect", NORMAL, _NOOP)
            else:
                raise PacketError("packet type not allowed")

    def _queue(self, packet: Incoming) -> None:
        if self.closed:
            return
        if self._inbox is None:
            self._inbox = deque()
        self._inbox.append(packet)
        if len(self._inbox) > self.host.limits.inbox_messages and self.websocket is not None:
            self.websocket.pause()
        self._schedule()

    def _schedule(self) -> None:
        if not self.is_busy:
            self.is_busy = True
            self.host.pool(is_connecting=self.is_connecting).add(self)

    def run(self) -> bool:
        """Handle the next messages, in a greenlet that may block; return whether there are more."""
        for _ in range(self.host.limits.batch_messages):
            if not self._inbox:
                break
            packet = self._inbox.popleft()
            self.host.handle_message(self.sid, packet[1:] if isinstance(packet, str) else packet)
        if self._inbox:
            return True
        self._inbox = None
        if self._end_reason is not None:
            self._call_disconnect_handler()
        elif self.websocket is not None:
            self.websocket.resume()
        self.is_busy = False
        return False

    # -- transports --------------------------------------------------------------------------------------------------

    def upgrade(self, websocket: WebSocket) -> None:
        """Switch to the WebSocket, and send the packets that wait for the next poll over it."""
        polling, self.polling = self.polling, None
        websocket.owner = self
        self.websocket = websocket
        if not self.is_connecting:
            websocket.use_limits_of_connected()
        if polling is not None:
            for packet in polling.end_by_upgrade():
                websocket.send_buffer.send(packet.frame)

    # -- the end -----------------------------------------------------------------------------------------------------

    def connection_lost(self, reason: str) -> None:
        """End the session after its connection was lost; messages received before are still handled."""
        self.websocket = None
        self._end(reason, NORMAL, _CLOSE)

    def time_out(self) -> None:
        """End the session: no pong arrived in time."""
        self._end("ping timeout", GOING_AWAY, _CLOSE)

    def abort(self, reason: str) -> None:
        """End the session because the client broke a rule; unhandled messages are dropped."""
        self._inbox = None
        self._end(reason, POLICY, _CLOSE)

    def close(self, reason: str | None = None, **_options: object) -> None:
        """End the session at the application's request; unhandled messages are dropped."""
        self._inbox = None
        self._end(reason or "server disconnect", GOING_AWAY, _CLOSE, is_ours=True)

    def _end(self, reason: str, code: int, last: OutgoingPacket, *, is_ours: bool = False) -> None:
        """Close the transport once, and schedule the disconnect handler; `last` is the last packet of a waiting poll.

        If the application ends the session (`is_ours`), the handler is called at once where possible. Any other end
        may be noticed in the middle of an emit, where the handler must not run.
        """
        if self.closed:
            return
        self.closed = True
        self._end_reason = reason
        self._held = None
        self.heartbeat.stop()
        self.leave_address()
        self.host.remove_session(self.sid, reason)
        websocket, self.websocket = self.websocket, None
        polling, self.polling = self.polling, None
        if polling is not None:
            polling.end(last)
        if websocket is not None:
            websocket.owner = None
            websocket.close(code)
        if is_ours and not self.is_busy and getcurrent() is not self.host.event_loop.hub:
            self._call_disconnect_handler()
        else:
            self._schedule()

    def _call_disconnect_handler(self) -> None:
        reason, self._end_reason = self._end_reason, None
        self.host.handle_disconnect(self.sid, reason)
