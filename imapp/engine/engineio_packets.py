"""Engine.IO packets: the first character is the type (Engine.IO protocol 4, "Packet encoding").

An outgoing packet is encoded and framed once, regardless of the number of receivers.
"""

import base64

import orjson
from engineio.packet import Packet

from imapp.engine.frames import BINARY, TEXT, frame

OPEN, CLOSE, PING, PONG, MESSAGE, UPGRADE, NOOP = range(7)

#: Separates the packets of a polling payload.
SEPARATOR = "\x1e"


class PacketError(ValueError):
    """Raised when a client sends an invalid packet."""


class TooLarge:
    """A message that was larger than allowed; `head` is the beginning of its text, enough for a command's ack id."""

    __slots__ = ("head",)

    #: Maximum length of `head`, in characters.
    SIZE = 64

    def __init__(self, head: str) -> None:
        self.head = head


#: A packet from a client.
Incoming = str | bytes | TooLarge


class OutgoingPacket:
    """A packet to clients, with the interface of python-engineio's Packet, so that stock transports accept it, too."""

    __slots__ = ("_frame", "_text", "data", "packet_type")

    def __init__(self, packet_type: int, data: str | bytes = "") -> None:
        self.packet_type = packet_type
        self.data = data
        self._frame: bytes | None = None
        self._text: str | None = None

    @property
    def binary(self) -> bool:
        """Return whether the packet carries bytes."""
        return isinstance(self.data, bytes)

    @property
    def frame(self) -> bytes:
        """Return the packet as a WebSocket frame."""
        if self._frame is None:
            if isinstance(self.data, bytes):
                self._frame = frame(BINARY, self.data)
            else:
                self._frame = frame(TEXT, f"{self.packet_type}{self.data}".encode())
        return self._frame

    @property
    def text(self) -> str:
        """Return the packet as a part of a polling payload."""
        if self._text is None:
            if isinstance(self.data, bytes):
                self._text = "b" + base64.b64encode(self.data).decode()
            else:
                self._text = f"{self.packet_type}{self.data}"
        return self._text

    def encode(self, b64: bool = False) -> str | bytes:
        """Return the packet as python-engineio's transports send it."""
        return self.data if isinstance(self.data, bytes) and not b64 else self.text


def from_engineio(packet: Packet) -> OutgoingPacket:
    """Convert a packet of python-engineio, once regardless of the number of receivers."""
    found: OutgoingPacket | None = getattr(packet, "out", None)
    if found is None:
        encoded = packet.encode()
        found = packet.out = OutgoingPacket(packet.packet_type, encoded if isinstance(encoded, bytes) else encoded[1:])
    return found


def open_packet(sid: str, upgrades: list[str], *, interval: float, timeout: float, payload: int) -> OutgoingPacket:
    """Return the first packet of a session; times are given in seconds and announced in milliseconds."""
    about = {
        "sid": sid,
        "upgrades": upgrades,
        "pingTimeout": round(timeout * 1000),
        "pingInterval": round(interval * 1000),
        "maxPayload": payload,
    }
    return OutgoingPacket(OPEN, orjson.dumps(about).decode())


def encode_payload(packets: list[OutgoingPacket]) -> bytes:
    """Return the body of a polling response."""
    return SEPARATOR.join([packet.text for packet in packets]).encode()


def decode_payload(body: bytes, limit: int | None = None) -> list[Incoming]:
    """Return the packets of a polling request in the form of WebSocket messages; raises PacketError.

    `limit` is the sum of the packets' sizes in bytes. A packet that would exceed it becomes a TooLarge.
    """
    found: list[Incoming] = []
    left = len(body) if limit is None else limit
    try:
        for part in body.split(SEPARATOR.encode()):
            if len(part) > left:
                found.append(TooLarge(part[: TooLarge.SIZE].decode(errors="replace")))
            else:
                text = part.decode()
                found.append(base64.b64decode(text[1:], validate=True) if text[:1] == "b" else text)
                left -= len(part)
    except ValueError as exc:  # not UTF-8, or not base64
        raise PacketError("invalid payload") from exc
    return found
