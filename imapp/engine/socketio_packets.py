"""Socket.IO packets (Socket.IO protocol 5, "Packet encoding"), with strict checks of clients' packets.

<type>[<number of attachments>-][<namespace>,][<ack id>][JSON]
"""

import re
from typing import Any

from socketio.packet import ACK, BINARY_ACK, BINARY_EVENT, CONNECT, CONNECT_ERROR, DISCONNECT, EVENT, Packet

from imapp.engine import json
from imapp.engine.engineio_packets import MESSAGE, OutgoingPacket

__all__ = ["ACK", "BINARY_ACK", "BINARY_EVENT", "CONNECT", "CONNECT_ERROR", "DISCONNECT", "EVENT", "EnginePacket"]

_HEAD = re.compile(r"([0-6])(?:(?<=[56])(\d{1,9})-)?(/[^,]*(?:,|$))?(\d{1,15})?(?!\d)", re.ASCII)

#: The head of an event in the main namespace without attachments, as nearly all packets of clients are.
_EVENT_HEAD = re.compile(r"2(\d{0,15})(?=\[)", re.ASCII)

#: The head of an event without attachments in any namespace; what follows it need not be valid.
_ANY_EVENT_HEAD = re.compile(r"2(/[^,]*,)?(\d{1,15})?\[", re.ASCII)

#: Event names with a meaning of their own in clients or in python-socketio.
_RESERVED = frozenset({"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"})

#: Maximum nesting depth of an event with attachments, because attachments are inserted by recursion.
_DEPTH_MAX = 200


class EnginePacket(Packet):  # type: ignore[misc]  # the library has no types
    """python-socketio's packet with strict rules and orjson; decoding raises ValueError.

    The data is not searched for bytes before encoding: orjson refuses bytes, and only then they become attachments.
    """

    json = json
    attachments_max = 10

    def decode(self, encoded_packet: str) -> int:
        """Decode a client's packet; return the number of attachments that follow it."""
        head = _HEAD.match(encoded_packet)
        if head is None:
            raise ValueError("invalid packet")
        kind, attachments, namespace, packet_id = head.groups()
        self.packet_type = int(kind)
        self.namespace = namespace.rstrip(",").partition("?")[0] if namespace else None
        self.id = int(packet_id) if packet_id else None
        self.data: Any = json.loads(encoded_packet[head.end() :]) if head.end() < len(encoded_packet) else None
        self._check(attachments)
        return int(attachments or 0)

    def _check(self, attachments: str | None) -> None:
        kind, data = self.packet_type, self.data
        if kind in {EVENT, BINARY_EVENT}:
            is_right = isinstance(data, list) and data and isinstance(data[0], str) and data[0] not in _RESERVED
        elif kind in {ACK, BINARY_ACK}:
            is_right = isinstance(data, list) and self.id is not None
        elif kind == CONNECT:
            is_right = (data is None or isinstance(data, dict)) and self.id is None
        else:
            is_right = kind == DISCONNECT and data is None and self.id is None
        if not is_right or (kind in {BINARY_EVENT, BINARY_ACK}) != (attachments is not None):
            raise ValueError("payload does not fit the type")
        if attachments is not None and not 0 < int(attachments) <= self.attachments_max:
            raise ValueError("invalid number of attachments")

    def encode(self) -> str | list[str | bytes]:
        """Return the packet as text, or as a list of the text and its attachments."""
        try:
            text: str = super().encode()
        except TypeError:
            if self.packet_type not in {EVENT, ACK}:
                raise
            self.packet_type += BINARY_EVENT - EVENT
            parts: list[str | bytes] = super().encode()
            return [parts[0], *(bytes(part) for part in parts[1:] if not isinstance(part, str))]
        return text

    @classmethod
    def data_is_binary(cls, data: object) -> bool:
        """Return False: `encode` finds bytes when orjson refuses them."""
        return False

    @classmethod
    def reconstruct_binary(cls, data: Any, attachments: list[bytes]) -> Any:
        """Replace the placeholders by the attachments; raises ValueError for an invalid placeholder."""
        return _insert_attachments(data, attachments, _DEPTH_MAX)


def _insert_attachments(data: Any, attachments: list[bytes], depth: int) -> Any:
    if not depth:
        raise ValueError("nested too deeply")
    if isinstance(data, list):
        return [_insert_attachments(item, attachments, depth - 1) for item in data]
    if not isinstance(data, dict):
        return data
    if data.get("_placeholder") is True:
        number = data.get("num")
        if type(number) is not int or not 0 <= number < len(attachments):
            raise ValueError("placeholder without attachment")
        return attachments[number]
    return {key: _insert_attachments(value, attachments, depth - 1) for key, value in data.items()}


def decode_plain_event(text: str) -> tuple[int | None, list[Any]] | None:
    """Return (ack id, data) of an event in the main namespace without attachments; None for any other packet.

    Makes no packet object. Raises ValueError for an invalid event.
    """
    head = _EVENT_HEAD.match(text)
    if head is None:
        return None
    data = json.loads(text[head.end() :])
    if not data or type(data[0]) is not str or data[0] in _RESERVED:
        raise ValueError("invalid event")
    packet_id = head.group(1)
    return (int(packet_id) if packet_id else None), data


def decode_event_head(text: str) -> tuple[str, int | None] | None:
    """Return (namespace, ack id) of a text that begins like an event, even if the event is invalid; otherwise None."""
    head = _ANY_EVENT_HEAD.match(text)
    if head is None:
        return None
    namespace, packet_id = head.groups()
    return (namespace or "/").rstrip(",").partition("?")[0], int(packet_id) if packet_id else None


def encode_plain_ack(packet_id: int, data: list[object]) -> OutgoingPacket | None:
    """Return an ack in the main namespace; None if its data contains bytes."""
    try:
        return OutgoingPacket(MESSAGE, f"{ACK}{packet_id}{json.dumps(data)}")
    except TypeError:
        return None


def parts(encoded: str | list[str | bytes]) -> list[OutgoingPacket]:
    """Return an encoded packet as Engine.IO packets."""
    return [OutgoingPacket(MESSAGE, part) for part in ([encoded] if isinstance(encoded, str) else encoded)]
