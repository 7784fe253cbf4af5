"""WebSocket frames as a client writes and reads them (RFC 6455 section 5)."""

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10

_FINAL, _MASKED, _SIZE = 0x80, 0x80, 0x7F
_SHORT, _MEDIUM = 126, 1 << 16

#: A mask of zeros leaves the payload unchanged. Masks protect old proxies from scripts of web pages, not needed here.
_MASK = b"\x00\x00\x00\x00"


class FrameError(ValueError):
    """Raised for a frame that no server of this protocol sends."""


def frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """Return a message or a control frame as one masked frame."""
    size = len(payload)
    if size < _SHORT:
        head = bytes((_FINAL | opcode, _MASKED | size))
    elif size < _MEDIUM:
        head = bytes((_FINAL | opcode, _MASKED | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((_FINAL | opcode, _MASKED | 127)) + size.to_bytes(8, "big")
    return head + _MASK + payload


def split(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Return all complete frames in `data` as (opcode, payload), and the remaining bytes; raises FrameError."""
    found, at, end = [], 0, len(data)
    while end - at >= 2:
        first, size, start = data[at], data[at + 1], at + 2
        if not first & _FINAL or size & _MASKED:
            raise FrameError("a masked frame or a fragment")
        if size >= _SHORT:
            width = 2 if size == 126 else 8
            size = int.from_bytes(data[start : start + width], "big")
            start += width
        if start + size > end:
            break
        found.append((first & 0x0F, data[start : start + size]))
        at = start + size
    return found, data[at:]
