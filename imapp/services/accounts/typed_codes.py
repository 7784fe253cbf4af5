"""Codes that people type: invitations and recovery codes. The database stores their hashes only."""

import base64
import hashlib
import secrets

#: Random bytes of a code: 16 characters of base32.
_BYTES = 10


def new_code() -> str:
    """Return a new random code, in groups of four characters."""
    text = base64.b32encode(secrets.token_bytes(_BYTES)).decode().lower()
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def plain(code: str) -> str:
    """Return the code in lower case, without spaces and hyphens: people change them or leave them out."""
    return "".join(code.split()).replace("-", "").lower()


def hash_of(code: str) -> str:
    """Return the hash under which a code is stored."""
    return hashlib.sha256(plain(code).encode()).hexdigest()
