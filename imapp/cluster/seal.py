"""What goes over Redis is signed, not encrypted.

Whoever can read Redis reads every message. Whoever can write to Redis can cut the nodes off from each other, but not
speak for them: a frame that is made up does not verify, one that is published again is refused (replays.py).

A frame is origin (8 bytes, random for each process), signature (16 bytes, BLAKE2b keyed with SECRET_KEY; RFC 7693),
body. The channel is signed with it: a frame cannot be moved to another room.
"""

import hashlib
import hmac
import secrets

_ORIGIN_BYTES = 8
_SIGNATURE_BYTES = 16
_HEAD = _ORIGIN_BYTES + _SIGNATURE_BYTES


class ForgedError(Exception):
    """No node of this cluster made this frame."""


class Seal:
    """Signs and checks. `previous_key` is the one before a key rotation: nodes that still have it are heard."""

    def __init__(self, key: str, previous_key: str | None = None) -> None:
        self._origin = secrets.token_bytes(_ORIGIN_BYTES)
        self._keys = [hashlib.sha256(b"imapp bus" + one.encode()).digest() for one in (key, previous_key) if one]

    def close(self, channel: bytes, body: bytes) -> bytes:
        """Make a frame."""
        return self._origin + _signature(self._keys[0], channel, self._origin, body) + body

    def open(self, channel: bytes, frame: bytes) -> bytes | None:
        """Give the body of another node's frame, None for one's own; raises ForgedError."""
        origin = frame[:_ORIGIN_BYTES]
        if origin == self._origin:
            return None
        signature, body = frame[_ORIGIN_BYTES:_HEAD], frame[_HEAD:]
        for key in self._keys:
            if hmac.compare_digest(signature, _signature(key, channel, origin, body)):
                return body
        raise ForgedError


def fingerprint(key: str) -> str:
    """Tells one SECRET_KEY from another, and nothing else of it: who signs with which, for operators."""
    return hashlib.blake2b(b"imapp fingerprint", digest_size=4, key=hashlib.sha256(key.encode()).digest()).hexdigest()


def _signature(key: bytes, channel: bytes, origin: bytes, body: bytes) -> bytes:
    mac = hashlib.blake2b(origin, digest_size=_SIGNATURE_BYTES, key=key)
    mac.update(len(channel).to_bytes(4, "big") + channel)
    mac.update(body)
    return mac.digest()
