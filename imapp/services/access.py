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
from imapp.services.shared_reads import SharedRead


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
    """Verify an access token and that its session still counts, by a query that is shared with others.

    Raises InvalidTokenError, TokenExpiredError or SessionRevokedError.
    """
    claims = tokens.verify(token, "access")
    row = _session_and_user(claims.session_id)
    if row is None or row.user_id != claims.user_id or not _counts(row):
        raise SessionRevokedError
    return Actor(claims.user_id, claims.session_id, claims.expires_at, row.is_operator, row.device_name, row.platform)


def require_alive(session_id: int) -> None:
    """Look once more whether a session counts; raises SessionRevokedError."""
    row = _session_and_user(session_id)
    if row is None or not _counts(row):
        raise SessionRevokedError


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


def _counts(row: Any) -> bool:
    return not row.revoked_at and not row.disabled_at and row.expires_at > now()


def _sessions_and_users(session_ids: AbstractSet[int]) -> dict[int, Any]:
    query = (
        select(
            DeviceSession.id,
            DeviceSession.user_id,
            DeviceSession.revoked_at,
            DeviceSession.expires_at,
            DeviceSession.device_name,
            DeviceSession.platform,
            User.disabled_at,
            User.is_operator,
        )
        .join(User, User.id == DeviceSession.user_id)
        .where(DeviceSession.id.in_(session_ids))
    )
    return {row.id: row for row in db.session.execute(query)}


_session_and_user = SharedRead(_sessions_and_users)
