"""The opening handshake of a WebSocket (RFC 6455 section 4.2). Extensions are never accepted."""

import base64
import binascii
import hashlib
from wsgiref.types import WSGIEnvironment

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_VERSION = "13"
_KEY_BYTES = 16


def is_upgrade(environ: WSGIEnvironment) -> bool:
    """Return whether a request asks to become a WebSocket."""
    tokens = environ.get("HTTP_CONNECTION", "").lower().split(",")
    return environ.get("HTTP_UPGRADE", "").lower() == "websocket" and "upgrade" in map(str.strip, tokens)


def is_version_13(environ: WSGIEnvironment) -> bool:
    """Return whether the client asks for version 13, the one of RFC 6455."""
    return bool(environ.get("HTTP_SEC_WEBSOCKET_VERSION") == _VERSION)


def accept(environ: WSGIEnvironment) -> bytes | None:
    """Return the response that accepts the WebSocket; None for an invalid request."""
    key = environ.get("HTTP_SEC_WEBSOCKET_KEY", "").strip()
    if environ.get("REQUEST_METHOD") != "GET" or not is_upgrade(environ) or not _is_key(key):
        return None
    digest = base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
        + digest
        + b"\r\n\r\n"
    )


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == _KEY_BYTES
    except (binascii.Error, ValueError):
        return False
