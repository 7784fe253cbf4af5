"""Who is calling: the one check of a token that both doors use."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from imapp.errors import SessionRevokedError
from imapp.extensions import db
from imapp.models.sessions import DeviceSession
from imapp.models.users import User
from imapp.schemas.base import now
from imapp.services import tokens


@dataclass(frozen=True)
class Actor:
    """A user at one device; `expires_at` is when the token that proved it ends."""

    user_id: int
    session_id: int
    expires_at: datetime
    is_operator: bool = False
    device: str = ""
    platform: str = ""


def authenticate(token: str) -> Actor:
    """Verify an access token and that its session still counts, with one query by primary key.

    Raises InvalidTokenError, TokenExpiredError or SessionRevokedError.
    """
    claims = tokens.verify(token, "access")
    row = _session_and_user(claims)
    if row is None or row.revoked_at or row.disabled_at or row.expires_at <= now():
        raise SessionRevokedError
    return Actor(claims.user_id, claims.session_id, claims.expires_at, row.is_operator, row.device_name, row.platform)


def ended_sessions(session_ids: AbstractSet[int]) -> set[int]:
    """Those of the sessions that count no longer, with one query."""
    alive = (
        select(DeviceSession.id)
        .join(User, User.id == DeviceSession.user_id)
        .where(
            DeviceSession.id.in_(session_ids),
            DeviceSession.revoked_at.is_(None),
            DeviceSession.expires_at > now(),
            User.disabled_at.is_(None),
        )
    )
    return set(session_ids) - set(db.session.scalars(alive))


def _session_and_user(claims: tokens.Claims) -> Any:
    query = (
        select(
            DeviceSession.revoked_at,
            DeviceSession.expires_at,
            DeviceSession.device_name,
            DeviceSession.platform,
            User.disabled_at,
            User.is_operator,
        )
        .join(User, User.id == DeviceSession.user_id)
        .where(DeviceSession.id == claims.session_id, DeviceSession.user_id == claims.user_id)
    )
    return db.session.execute(query).one_or_none()
