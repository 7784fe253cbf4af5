"""Signatures of the frames on the bus. Frames are signed, not encrypted.

An attacker with read access to Redis can read every message. An attacker with write access can cut the nodes off from
each other, but cannot impersonate them: a forged frame does not verify, and a replayed frame is refused (replays.py).

A frame is: origin (8 bytes, random for each process), signature (16 bytes, BLAKE2b keyed with SECRET_KEY; RFC 7693),
body. The signature covers the channel, so a frame cannot be moved to another room.
"""

import hashlib
import hmac
import secrets

_ORIGIN_BYTES = 8
_SIGNATURE_BYTES = 16
_HEAD = _ORIGIN_BYTES + _SIGNATURE_BYTES


class ForgedError(Exception):
    """Raised when no node of this cluster has signed a frame."""


class Signer:
    """Signs and verifies frames. During a key rotation, frames of nodes that still sign with `previous_key` verify."""

    def __init__(self, key: str, previous_key: str | None = None) -> None:
        self._origin = secrets.token_bytes(_ORIGIN_BYTES)
        self._keys = [hashlib.sha256(b"imapp bus" + one.encode()).digest() for one in (key, previous_key) if one]

    def close(self, channel: bytes, body: bytes) -> bytes:
        """Return the signed frame of `body`."""
        return self._origin + _signature(self._keys[0], channel, self._origin, body) + body

    def open(self, channel: bytes, frame: bytes) -> bytes | None:
        """Verify a frame and return its body, or None if this process sent it; raises ForgedError."""
        origin = frame[:_ORIGIN_BYTES]
        if origin == self._origin:
            return None
        signature, body = frame[_ORIGIN_BYTES:_HEAD], frame[_HEAD:]
        for key in self._keys:
            if hmac.compare_digest(signature, _signature(key, channel, origin, body)):
                return body
        raise ForgedError


def fingerprint(key: str) -> str:
    """Return a fingerprint of a SECRET_KEY that reveals nothing else: operators see which node signs with which key."""
    return hashlib.blake2b(b"imapp fingerprint", digest_size=4, key=hashlib.sha256(key.encode()).digest()).hexdigest()


def _signature(key: bytes, channel: bytes, origin: bytes, body: bytes) -> bytes:
    mac = hashlib.blake2b(origin, digest_size=_SIGNATURE_BYTES, key=key)
    mac.update(len(channel).to_bytes(4, "big") + channel)
    mac.update(body)
    return mac.digest()
