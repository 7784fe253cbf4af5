"""WebSocket frames as a server writes them: whole and unmasked (RFC 6455 section 5.2)."""

CONTINUATION, TEXT, BINARY = 0, 1, 2
CLOSE, PING, PONG = 8, 9, 10

#: Close codes of RFC 6455 section 7.4.1 that this server sends.
NORMAL, GOING_AWAY, PROTOCOL_ERROR, BAD_DATA, POLICY, TOO_BIG = 1000, 1001, 1002, 1007, 1008, 1009

_FINAL = 0x80
_SHORT, _MEDIUM = 126, 1 << 16

#: What a control frame may carry, in bytes.
CONTROL_MAX = 125


def frame(opcode: int, payload: bytes) -> bytes:
    """One whole message or control frame."""
    size = len(payload)
    if size < _SHORT:
        return bytes((_FINAL | opcode, size)) + payload
    if size < _MEDIUM:
        return bytes((_FINAL | opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((_FINAL | opcode, 127)) + size.to_bytes(8, "big") + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """The frame that begins or answers the closing handshake."""
    return frame(CLOSE, code.to_bytes(2, "big") + reason.encode()[: CONTROL_MAX - 2])
