"""Access and refresh tokens: JWTs that this server signs and only this server reads.

No field of a token chooses how it is checked: there is one algorithm, one issuer, one audience, and a `kid` that can
only name one of the two active keys. Tokens of the former key stay valid while a new key takes over.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import jwt

from imapp.clock import now
from imapp.errors import InvalidTokenError, TokenExpiredError
from imapp.extensions import settings
from imapp.schemas.base import MAX_ID

Kind = Literal["access", "refresh"]

_ALGORITHM = "HS256"
_ISSUER = "imapp"
_AUDIENCE = "imapp"
_REQUIRED = ["exp", "iat", "iss", "aud", "sub", "sid", "jti", "typ"]

#: Maximum difference between the clocks of two nodes; times in tokens are checked with this tolerance.
_LEEWAY = timedelta(seconds=5)

_jwt = jwt.PyJWT(options={"enforce_minimum_key_length": True})


@dataclass(frozen=True)
class Claims:
    """The contents of a verified token."""

    user_id: int
    session_id: int
    token_id: str
    expires_at: datetime
    #: The name of the token's pair; empty for a token that was issued alone.
    pair: str = ""


def new_token_id() -> str:
    """Return a new token id with 128 random bits."""
    return secrets.token_urlsafe(16)


def successor_id(spent_id: str) -> str:
    """Return the id of the refresh token that replaces a spent one.

    It is the same for each attempt, so that two simultaneous attempts do not invalidate each other's answers.
    """
    digest = hmac.digest(settings.secret_key.encode(), f"imapp refresh {spent_id}".encode(), "sha256")
    return urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()


def fingerprint(token_id: str) -> str:
    """Return the stored form of a refresh token's id: enough to recognise the token, too little to forge it."""
    return hashlib.sha256(token_id.encode()).hexdigest()


def pair_name(refresh_fingerprint: str) -> str:
    """Return the name of the pair of tokens that a refresh token belongs to."""
    return refresh_fingerprint[:16]


def issue_pair(user_id: int, session_id: int, refresh_id: str) -> tuple[str, str]:
    """Sign an access token and the refresh token with this id."""
    pair = {"pair": pair_name(fingerprint(refresh_id))}
    return (
        _sign({**_payload("access", user_id, session_id, new_token_id()), **pair}),
        _sign({**_payload("refresh", user_id, session_id, refresh_id), **pair}),
    )


def issue_alone(user_id: int, session_id: int, lifetime: timedelta) -> str:
    """Sign an access token that belongs to no pair."""
    payload = _payload("access", user_id, session_id, new_token_id())
    return _sign({**payload, "exp": payload["iat"] + lifetime})


def verify(token: str, kind: Kind) -> Claims:
    """Check a token of this kind; raises TokenExpiredError, and InvalidTokenError for every other fault."""
    try:
        payload = _jwt.decode(
            token,
            _key_of(token),
            algorithms=[_ALGORITHM],
            issuer=_ISSUER,
            audience=_AUDIENCE,
            leeway=_LEEWAY,
            options={"require": _REQUIRED},
        )
        if payload["typ"] != kind:
            raise InvalidTokenError
        return Claims(
            user_id=_id(payload["sub"]),
            session_id=_id(payload["sid"]),
            token_id=str(payload["jti"]),
            expires_at=datetime.fromtimestamp(payload["exp"], UTC),
            pair=str(payload.get("pair", "")),
        )
    except jwt.ExpiredSignatureError:
        raise TokenExpiredError from None
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
        raise InvalidTokenError from None


def key_id(key: str) -> str:
    """Return the public name of a key."""
    return hashlib.sha256(key.encode()).hexdigest()[:8]


def _payload(kind: Kind, user_id: int, session_id: int, token_id: str) -> dict[str, Any]:
    issued = now()
    seconds = settings.access_token_seconds if kind == "access" else settings.refresh_token_seconds
    return {
        "iss": _ISSUER,
        "aud": _AUDIENCE,
        "iat": issued,
        "exp": issued + timedelta(seconds=seconds),
        "sub": str(user_id),
        "sid": session_id,
        "jti": token_id,
        "typ": kind,
    }


def _sign(payload: dict[str, Any]) -> str:
    key = settings.secret_key
    return _jwt.encode(payload, key, algorithm=_ALGORITHM, headers={"kid": key_id(key)})


def _key_of(token: str) -> str:
    named = jwt.get_unverified_header(token).get("kid")
    for key in (settings.secret_key, settings.secret_key_previous):
        if key is not None and named == key_id(key):
            return key
    raise InvalidTokenError


def _id(value: Any) -> int:
    number = int(value)
    if not 1 <= number <= MAX_ID:
        raise InvalidTokenError
    return number
