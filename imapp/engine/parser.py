"""WebSocket frames as a client sends them (RFC 6455 section 5), cut into messages.

Bytes come in whatever pieces the network makes. What is too large is refused when its header is seen, so nothing of
it is kept but, where the limits say so, its first characters. Payloads are unmasked with one operation on big
integers, which Python does at the speed of memory.
"""

import time
from typing import NamedTuple

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
from imapp.engine.packets import TooLarge

#: Frames that one message may be cut into: beyond, a client keeps the server busy with empty ones.
_FRAGMENTS_MAX = 4096

#: Frames that are parsed in one go; the rest waits for the event loop's next turn, so that 64 kB of empty frames
#: (10,000 of them) do not keep the other connections waiting for 100 ms.
FRAMES_A_TURN = 128

#: Pings and pongs that a client may send within a second.
_CONTROLS_A_SECOND = 50

_KEY = 4  # bytes of a mask
_CLOSE_CODES = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)})


class ProtocolError(Exception):
    """The client broke RFC 6455; the connection is closed with `code`."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Control(NamedTuple):
    """A ping, a pong, or a close (whose `code` is what the answer to it says)."""

    opcode: int
    payload: bytes
    code: int = NORMAL


#: What comes out: text, bytes, the beginning of what was too large, or something about the connection.
Message = str | bytes | TooLarge | Control


class Parser:
    """One connection's incoming bytes."""

    __slots__ = (
        "_controls", "_discard", "_dropped", "_excess", "_fragments", "_is_last", "_limit", "_need", "_opcode",
        "_parts", "_rest", "_second", "_skip", "_whole", "has_more",
    )  # fmt: skip

    def __init__(self, limit: int, discard: int = 0) -> None:
        self.allow(limit, discard)
        #: Whether frames that have come wait for another call of `feed`.
        self.has_more = False
        #: The beginning of a frame that has not come as a whole, and how many bytes it takes to go on.
        self._rest: bytearray | None = None
        self._need = 0
        #: The message that is being put together from fragments.
        self._parts: bytearray | None = None
        self._opcode = 0
        self._fragments = 0
        #: Bytes of the message up to and with the data frame that was measured last; the same of a message that is
        #: being thrown away, 0 if none is.
        self._whole = self._dropped = 0
        #: Bytes of such a frame that are not looked at, those of them that have not come, and whether the message
        #: ends with the frame.
        self._excess = self._skip = 0
        self._is_last = False
        #: The second that is counted, and the pings and pongs that came in it.
        self._second = 0.0
        self._controls = 0

    def allow(self, limit: int, discard: int) -> None:
        """Take messages of up to `limit` bytes; of larger ones, up to `discard` bytes, give the beginning."""
        self._limit = limit
        self._discard = discard

    def feed(self, data: bytes, out: list[Message]) -> None:
        """Append the messages that are complete now; raises ProtocolError after those before the violation.

        Stops after FRAMES_A_TURN frames: call again, with nothing, while `has_more`.
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
            self._take(head, payload, out)
            if head & 0x0F == CLOSE:
                return  # what follows a close says nothing
            start = stop
        if start < end:
            self._rest, self._need, self.has_more = bytearray(source[start:]), 0, True

    def _joined(self, rest: bytearray, data: bytes) -> bytes | bytearray:
        """The beginning of a frame and what has come now; empty while more must come."""
        rest += data
        if len(rest) < self._need:
            return b""
        self._rest = None
        return rest

    def _measure(self, data: bytes | bytearray, start: int, end: int) -> tuple[int, int]:
        """Where the payload of the frame begins and ends; an end beyond `end` says that more bytes must come."""
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
        """What the first two bytes of a frame may be, here and now."""
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
        """Keep only how the message of this frame begins."""
        self._gather(head & 0x0F, seen)
        del self._parts[TooLarge.SIZE :]  # type: ignore[union-attr]  # `_gather` has made it
        self._dropped, self._skip, self._is_last = self._whole, self._excess, bool(head & 0x80)

    def _skip_some(self, start: int, end: int, out: list[Message]) -> int:
        """Throw away what has come of the frame; give where the next frame begins."""
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

    def _take(self, head: int, payload: bytes, out: list[Message]) -> None:
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
    """XOR with the repeated key; masking and unmasking are the same."""
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
