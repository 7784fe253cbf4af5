"""WebSocket frames as a server writes them: unfragmented and unmasked (RFC 6455 section 5.2)."""

CONTINUATION, TEXT, BINARY = 0, 1, 2
CLOSE, PING, PONG = 8, 9, 10

#: Close codes of RFC 6455 section 7.4.1 that this server sends.
NORMAL, GOING_AWAY, PROTOCOL_ERROR, BAD_DATA, POLICY, TOO_BIG = 1000, 1001, 1002, 1007, 1008, 1009

_FINAL = 0x80
_SHORT, _MEDIUM = 126, 1 << 16

#: Maximum payload of a control frame, in bytes.
CONTROL_MAX = 125


def frame(opcode: int, payload: bytes) -> bytes:
    """Return a message or a control frame as one frame."""
    size = len(payload)
    if size < _SHORT:
        return bytes((_FINAL | opcode, size)) + payload
    if size < _MEDIUM:
        return bytes((_FINAL | opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((_FINAL | opcode, 127)) + size.to_bytes(8, "big") + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """Return the frame that begins or answers the closing handshake."""
    return frame(CLOSE, code.to_bytes(2, "big") + reason.encode()[: CONTROL_MAX - 2])
