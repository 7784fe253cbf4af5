"""python-socketio's server with strict adherence to Socket.IO protocol 5.

It differs from the stock server in these points:
- A CONNECT is answered before anything else is sent to its client.
- A client that sends packets before CONNECT, or invalid packets, is disconnected with one log line.
- An unknown namespace is refused with the message that clients know.
- The environ of the request is released when the client is connected.

It works over python-engineio's own transports, too (`eio_class`). There packets that are sent while a CONNECT is being
decided have the stock order.
"""

from collections.abc import Callable
from typing import Any
from wsgiref.types import WSGIEnvironment

import engineio
import socketio as sio
from bidict import ValueDuplicationError
from socketio.exceptions import ConnectionRefusedError as Refused

from imapp.engine import socketio_packets
from imapp.engine.engineio_packets import Incoming, OutgoingPacket, TooLarge
from imapp.engine.server import EngineServer
from imapp.engine.socketio_packets import (
    ACK,
    BINARY_ACK,
    BINARY_EVENT,
    CONNECT,
    CONNECT_ERROR,
    DISCONNECT,
    EnginePacket,
)
from imapp.logs import get_logger

log = get_logger(__name__)

#: Replaces the environ of a request that has ended.
_RELEASED_ENVIRON: WSGIEnvironment = {}


class StrictServer(sio.Server):  # type: ignore[misc]  # the library has no types
    """The Socket.IO server, over the engine or over python-engineio."""

    def __init__(self, *, eio_class: type[engineio.Server], **options: Any) -> None:
        self._eio_class = eio_class
        super().__init__(**{"serializer": EnginePacket, "json": EnginePacket.json, "async_handlers": False, **options})
        self._is_engine = isinstance(self.eio, EngineServer)

    def _engineio_server_class(self) -> type[engineio.Server]:
        return self._eio_class

    # -- outgoing ------------------------------------------------------------------------------------------------------

    def _send_packet(self, eio_sid: str, pkt: EnginePacket) -> None:
        for part in socketio_packets.parts(pkt.encode()):
            self.eio.send_packet(eio_sid, part)

    def send_to_many(self, eio_sids: list[str], parts: list[OutgoingPacket]) -> None:
        """Send the same Engine.IO packets to many sessions."""
        if self._is_engine:
            self.eio.send_to_many(eio_sids, parts)
            return
        for eio_sid in eio_sids:
            for part in parts:
                self.eio.send_packet(eio_sid, part)

    def when_flushed(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the packets sent so far are with the kernel, slow clients excepted.

        Over a stock transport, which cannot report this, call it at once.
        """
        if self._is_engine:
            self.eio.event_loop.flusher.call_after(callback)
        else:
            callback()

    # -- incoming ------------------------------------------------------------------------------------------------------

    def _handle_eio_message(self, eio_sid: str, data: Incoming) -> None:
        try:
            if isinstance(data, bytes):
                self._handle_attachment(eio_sid, data)
            elif isinstance(data, str):
                self._handle_text(eio_sid, data)
            else:
                self._refuse_or_abort(eio_sid, data, "too large")
        except (ValueError, TypeError, LookupError) as exc:
            self._refuse_or_abort(eio_sid, data, type(exc).__name__)

    def _refuse_or_abort(self, eio_sid: str, data: Incoming, reason: str) -> None:
        """Refuse the packet; disconnect the client if that is not possible, as for one with missing attachments."""
        if self._binary_packet.pop(eio_sid, None) is not None or not self._try_refuse(eio_sid, data):
            log.info("packet_malformed", reason=reason)
            self._abort(eio_sid)

    def _try_refuse(self, eio_sid: str, data: Incoming) -> bool:
        if isinstance(data, bytes):
            return False
        is_too_large = isinstance(data, TooLarge)
        about = socketio_packets.decode_event_head(data.head[1:] if isinstance(data, TooLarge) else data)
        return about is not None and self.refuse_packet(eio_sid, *about, is_too_large=is_too_large)

    def refuse_packet(self, eio_sid: str, namespace: str, packet_id: int | None, *, is_too_large: bool) -> bool:
        """Answer an invalid or too large event; return False to disconnect the client, as the protocol demands."""
        return False

    def _abort(self, eio_sid: str) -> None:
        if self._is_engine:
            self.eio.abort(eio_sid)
        else:
            self.eio.disconnect(eio_sid)

    def _handle_text(self, eio_sid: str, text: str) -> None:
        """Handle a packet of text; raises ValueError or LookupError if it is invalid or out of order."""
        if eio_sid in self._binary_packet:
            raise ValueError("attachment expected")
        event = socketio_packets.decode_plain_event(text)
        if event is not None and not self.manager.sid_from_eio_sid(eio_sid, "/"):
            event = None  # the code below raises the right error
        if event is not None:
            self._handle_event(eio_sid, "/", *event)
            return
        packet = self.packet_class(encoded_packet=text or "-")
        kind = packet.packet_type
        if kind == CONNECT:
            self._handle_connect(eio_sid, packet.namespace, packet.data)
        elif self._is_engine and not self.eio.has_sent_connect(eio_sid):
            raise ValueError("packet before CONNECT")
        elif kind == DISCONNECT:
            self._handle_disconnect(eio_sid, packet.namespace, self.reason.CLIENT_DISCONNECT)
        elif kind in {BINARY_EVENT, BINARY_ACK}:
            self._binary_packet[eio_sid] = packet
        else:
            self._handle_packet(eio_sid, packet)

    def _handle_attachment(self, eio_sid: str, data: bytes) -> None:
        packet = self._binary_packet[eio_sid]
        if packet.add_attachment(data):
            del self._binary_packet[eio_sid]
            self._handle_packet(eio_sid, packet)

    def _handle_packet(self, eio_sid: str, packet: EnginePacket) -> None:
        """Pass a complete event or ack to its handler."""
        namespace = packet.namespace or "/"
        if self.manager.sid_from_eio_sid(eio_sid, namespace) is None:
            return  # the client sent it before it knew that it was no longer in the namespace
        if packet.packet_type in {ACK, BINARY_ACK}:
            self._handle_ack(eio_sid, namespace, packet.id, packet.data)
        else:
            self._handle_event(eio_sid, namespace, packet.id, packet.data)

    def _handle_event(self, eio_sid: str, namespace: str | None, id: int | None, data: list[Any]) -> None:  # noqa: A002 - the library's name
        namespace = namespace or "/"
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace)
        if not self.manager.is_connected(sid, namespace):
            return
        try:
            answer = self._trigger_event(data[0], namespace, sid, *data[1:])
            if id is not None and answer is not self.not_handled:
                given = list(answer) if isinstance(answer, tuple) else [] if answer is None else [answer]
                self.acknowledge(eio_sid, namespace, id, given)
        except Exception:  # the application's fault: the client stays connected, without an ack
            log.exception("event_handler_failed")

    def acknowledge(self, eio_sid: str, namespace: str | None, packet_id: int, data: list[object]) -> None:
        """Send the ack of an event."""
        plain = socketio_packets.encode_plain_ack(packet_id, data) if namespace in {None, "/"} else None
        if plain is not None:
            self.eio.send_packet(eio_sid, plain)
        else:
            self._send_packet(eio_sid, self.packet_class(ACK, namespace=namespace, id=packet_id, data=data))

    # -- the end -----------------------------------------------------------------------------------------------------

    def _trigger_event(self, event: str, namespace: str, *args: Any) -> Any:
        if event != "disconnect":
            return super()._trigger_event(event, namespace, *args)
        try:
            return super()._trigger_event(event, namespace, *args)
        except Exception:  # otherwise the client would stay in rooms and in the other namespaces
            log.exception("disconnect_handler_failed")
            return None

    def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        super()._handle_eio_disconnect(eio_sid, reason)
        self._binary_packet.pop(eio_sid, None)  # also for a client that was in no namespace

    # -- CONNECT -----------------------------------------------------------------------------------------------------

    def accepts_second_connect(self, sid: str, namespace: str, auth: object) -> bool:
        """Return whether to accept a second CONNECT of a connected client, and answer it like the first one."""
        return False

    def _handle_connect(self, eio_sid: str, namespace: str | None, data: object) -> None:
        namespace = namespace or "/"
        known = self.manager.sid_from_eio_sid(eio_sid, namespace)
        if known is not None and self.manager.is_connected(known, namespace):
            self._handle_second_connect(eio_sid, known, namespace, data)
            return
        if self._is_engine:
            self.eio.hold_packets(eio_sid)
        sid, refusal = self._decide_connect(eio_sid, namespace, data)
        if refusal is None:
            answer = self.packet_class(CONNECT, {"sid": sid}, namespace=namespace)
        else:
            answer = self.packet_class(CONNECT_ERROR, refusal, namespace=namespace)
        if self._is_engine:
            self.eio.answer_connect(eio_sid, socketio_packets.parts(answer.encode())[0], is_accepted=refusal is None)
        else:
            self._send_packet(eio_sid, answer)
        if refusal is None:
            self._finish_connect(eio_sid, sid, namespace)

    def _handle_second_connect(self, eio_sid: str, sid: str, namespace: str, data: object) -> None:
        """Answer a second CONNECT, or close the transport: clients reconnect after that, but not after a refusal."""
        if self.accepts_second_connect(sid, namespace, data):
            self._send_packet(eio_sid, self.packet_class(CONNECT, {"sid": sid}, namespace=namespace))
        else:
            log.info("second_connect", sid=sid)
            self._abort(eio_sid)

    def _finish_connect(self, eio_sid: str, sid: str | None, namespace: str) -> None:
        self.manager.connect(sid, namespace)
        if not self._is_engine:
            return
        if eio_sid in self.eio.sockets:
            self.environ[eio_sid] = _RELEASED_ENVIRON
        else:  # it disconnected while its CONNECT was handled, when there was nothing to clean up
            self._handle_disconnect(eio_sid, namespace, self.reason.TRANSPORT_CLOSE)

    def _decide_connect(self, eio_sid: str, namespace: str, auth: object) -> tuple[str | None, object]:
        """Call the connect handler; return the sid and the data of the refusal, None if the client may connect."""
        is_known = namespace in self.handlers or namespace in self.namespace_handlers
        if not is_known and self.namespaces != "*" and namespace not in self.namespaces:
            return None, {"message": "Invalid namespace"}
        try:
            sid = self.manager.pre_connect(eio_sid, namespace)
        except ValueDuplicationError:
            sid = None
        if sid is None:
            return None, {"message": "Already connected"}
        refusal = self._call_connect_handler(eio_sid, sid, namespace, auth)
        if refusal is not None:
            self.manager.disconnect(sid, namespace, ignore_queue=True)
        return sid, refusal

    def _call_connect_handler(self, eio_sid: str, sid: str, namespace: str, auth: object) -> object:
        environ = self.environ.get(eio_sid, _RELEASED_ENVIRON)
        try:
            accepted = self._trigger_event("connect", namespace, sid, environ, auth)
        except Refused as exc:
            return exc.error_args
        except Exception:  # the client must get an answer in any case
            log.exception("connect_handler_failed")
            accepted = False
        return Refused().error_args if accepted is False else None
