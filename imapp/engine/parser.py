"""Parser of the WebSocket frames that a client sends (RFC 6455 section 5).

Bytes arrive in pieces of any size. A message that is too large is refused when the header of its frame arrives, so none
of it is stored, except its first characters if the limits allow to discard it. Payloads are unmasked with one operation
on big integers, which Python does at the speed of memory.
"""

import time
from typing import NamedTuple

from imapp.engine.engineio_packets import TooLarge
from imapp.engine.frames import (
    BAD_DATA,
    BINARY,
    CLOSE,
    CONTINUATION,
    CONTROL_MAX,
    NORMAL,
    PING,
    POLICY,
    PONG,
    PROTOCOL_ERROR,
    TEXT,
    TOO_BIG,
)

#: Maximum number of fragments of a message: empty fragments could keep the server busy.
_FRAGMENTS_MAX = 4096

#: Frames that one call parses. The remaining frames wait for the event loop's next turn, so that 64 kB of empty frames
#: (10,000 frames) do not delay the other connections by 100 ms.
FRAMES_A_TURN = 128

#: Maximum number of pings and pongs that a client may send within a second.
_CONTROLS_A_SECOND = 50

_KEY = 4  # bytes of a mask
_CLOSE_CODES = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)})


class ProtocolError(Exception):
    """Raised when a client violates RFC 6455; the connection is closed with `code`."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Control(NamedTuple):
    """A ping, a pong or a close; `code` is the close code to answer with."""

    opcode: int
    payload: bytes
    code: int = NORMAL


#: Parsed messages: text, bytes, the beginning of a message that was too large, or a control frame.
Message = str | bytes | TooLarge | Control


class Parser:
    """The parser of one connection, with the bytes of incomplete frames and messages."""

    __slots__ = (
        "_controls", "_discard", "_dropped", "_excess", "_fragments", "_is_last", "_limit", "_need", "_opcode",
        "_parts", "_rest", "_second", "_skip", "_whole", "has_more",
    )  # fmt: skip

    def __init__(self, limit: int, discard: int = 0) -> None:
        self.set_limits(limit, discard)
        #: Whether received frames wait for another call of `feed`.
        self.has_more = False
        #: The beginning of an incomplete frame, and the number of bytes needed to continue parsing.
        self._rest: bytearray | None = None
        self._need = 0
        #: The fragments of the current message so far.
        self._parts: bytearray | None = None
        self._opcode = 0
        self._fragments = 0
        #: Bytes of the message up to the end of the data frame that was measured last; the same number for a message
        #: that is being discarded, 0 if none is.
        self._whole = self._dropped = 0
        #: Bytes to discard of a frame that is too large, how many of them have not arrived, and whether the frame is
        #: the last of its message.
        self._excess = self._skip = 0
        self._is_last = False
        #: Start of the second in which control frames are counted (monotonic), and their number in it.
        self._second = 0.0
        self._controls = 0

    def set_limits(self, limit: int, discard: int) -> None:
        """Accept messages up to `limit` bytes; discard larger ones up to `discard` bytes, except their beginning."""
        self._limit = limit
        self._discard = discard

    def feed(self, data: bytes, out: list[Message]) -> None:
        """Parse `data` and append complete messages to `out`; raises ProtocolError at the first violation.

        Messages before the violation are appended. Stops after FRAMES_A_TURN frames: while `has_more` is true, call it
        again with empty `data`.
        """
        self.has_more = False
        source = data if self._rest is None else self._joined(self._rest, data)
        end = len(source)
        start = self._skip_some(0, end, out) if self._skip else 0
        for _ in range(FRAMES_A_TURN):
            if start >= end:
                return
            body, stop = self._measure(source, start, end)
            if stop > end:
                self._rest, self._need = bytearray(source[start:]), stop - start
                return
            head = source[start]
            payload = unmask(bytes(source[body - _KEY : body]), bytes(source[body:stop]))
            if self._whole > self._limit and not head & 8:
                self._drop(head, payload)
                start = self._skip_some(stop, end, out)
                continue
            self._handle_frame(head, payload, out)
            if head & 0x0F == CLOSE:
                return  # data after a close frame is ignored
            start = stop
        if start < end:
            self._rest, self._need, self.has_more = bytearray(source[start:]), 0, True

    def _joined(self, rest: bytearray, data: bytes) -> bytes | bytearray:
        """Return the beginning of a frame joined with the new data; empty while more bytes are needed."""
        rest += data
        if len(rest) < self._need:
            return b""
        self._rest = None
        return rest

    def _measure(self, data: bytes | bytearray, start: int, end: int) -> tuple[int, int]:
        """Return where the payload of the frame begins and ends; an end beyond `end` means that bytes are missing."""
        if end - start < 2:
            return 0, start + 2
        size = data[start + 1] & 0x7F
        extra = (0, 2, 8)[max(0, size - 125)]
        body = start + 2 + extra + _KEY
        self._check(data[start], data[start + 1], size)
        if extra:
            if end < body:
                return 0, body
            size = int.from_bytes(data[start + 2 : start + 2 + extra], "big")
            if size < (126, 1 << 16)[extra == 8] or size >> 63:
                raise ProtocolError(PROTOCOL_ERROR, "length not in its shortest form")
        if data[start] & 8:
            return body, body + size
        self._whole = whole = size + (self._dropped or (len(self._parts) if self._parts is not None else 0))
        if whole <= self._limit:
            return body, body + size
        if whole > self._discard:
            raise ProtocolError(TOO_BIG, "message too big")
        seen = min(size, TooLarge.SIZE)
        self._excess = size - seen
        return body, body + seen

    def _check(self, head: int, second: int, size: int) -> None:
        """Raise ProtocolError if the first two bytes of a frame are not valid in the current state."""
        opcode = head & 0x0F
        if head & 0x70:
            raise ProtocolError(PROTOCOL_ERROR, "reserved bits")
        if not second & 0x80:
            raise ProtocolError(PROTOCOL_ERROR, "frame not masked")
        if opcode & 8:
            if opcode not in {CLOSE, PING, PONG}:
                raise ProtocolError(PROTOCOL_ERROR, "unknown opcode")
            if size > CONTROL_MAX or not head & 0x80:
                raise ProtocolError(PROTOCOL_ERROR, "control frame fragmented or too long")
        elif opcode > BINARY:
            raise ProtocolError(PROTOCOL_ERROR, "unknown opcode")
        elif (opcode == CONTINUATION) != (self._parts is not None):
            raise ProtocolError(PROTOCOL_ERROR, "fragments out of order")

    def _drop(self, head: int, seen: bytes) -> None:
        """Start to discard the message of this frame, except its beginning."""
        self._gather(head & 0x0F, seen)
        del self._parts[TooLarge.SIZE :]  # type: ignore[union-attr]  # `_gather` has created it
        self._dropped, self._skip, self._is_last = self._whole, self._excess, bool(head & 0x80)

    def _skip_some(self, start: int, end: int, out: list[Message]) -> int:
        """Discard the received bytes of the frame; return where the next frame begins."""
        size = min(self._skip, end - start)
        self._skip -= size
        if not self._skip and self._is_last:
            out.append(TooLarge((self._parts or b"").decode(errors="replace")))
            self._parts, self._dropped, self._whole = None, 0, 0
        return start + size

    def _count_control(self) -> None:
        now = time.monotonic()
        if now - self._second > 1:
            self._second, self._controls = now, 0
        self._controls += 1
        if self._controls > _CONTROLS_A_SECOND:
            raise ProtocolError(POLICY, "too many pings")

    def _handle_frame(self, head: int, payload: bytes, out: list[Message]) -> None:
        opcode = head & 0x0F
        if opcode == CLOSE:
            out.append(_close(payload))
        elif opcode & 8:
            self._count_control()
            out.append(Control(opcode, payload))
        elif head & 0x80 and opcode:
            out.append(_text(payload) if opcode == TEXT else payload)
        else:
            self._gather(opcode, payload)
            if head & 0x80:
                whole, self._parts = bytes(self._parts or b""), None
                out.append(_text(whole) if self._opcode == TEXT else whole)

    def _gather(self, opcode: int, payload: bytes) -> None:
        if self._parts is None:
            self._parts, self._opcode, self._fragments = bytearray(), opcode, 0
        self._parts += payload
        self._fragments += 1
        if self._fragments > _FRAGMENTS_MAX:
            raise ProtocolError(POLICY, "too many fragments")


def unmask(key: bytes, payload: bytes) -> bytes:
    """XOR the payload with the repeated key; masking and unmasking are the same operation."""
    size = len(payload)
    mask = (key * ((size + 3) >> 2))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(mask, "little")).to_bytes(size, "little")


def _text(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise ProtocolError(BAD_DATA, "text is not UTF-8") from None


def _close(payload: bytes) -> Control:
    if not payload:
        return Control(CLOSE, b"")
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or code not in _CLOSE_CODES:
        raise ProtocolError(PROTOCOL_ERROR, "close code")
    _text(payload[2:])
    return Control(CLOSE, payload, code)
