"""Authentication: the token check that REST and the realtime interface share."""

from collections import defaultdict
from collections.abc import Collection
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, select, update
from sqlalchemy.orm import Session

from imapp.clock import now
from imapp.database.errors import as_app_error
from imapp.database.transactions import atomic
from imapp.errors import (
    ForbiddenError,
    SecondFactorEnrolmentRequiredError,
    SecondFactorRequiredError,
    SessionRevokedError,
)
from imapp.extensions import db, settings
from imapp.logs import get_logger
from imapp.models.conversations import ConversationMember
from imapp.models.second_factors import SecondFactor
from imapp.models.sessions import DeviceSession
from imapp.models.users import User
from imapp.services.accounts import sessions, tokens
from imapp.services.shared_reads import SharedRead

log = get_logger(__name__)

#: Tables instead of mapped classes, for speed: these queries run for every connect and every request.
_sessions: Any = DeviceSession.__table__
_users: Any = User.__table__
_members: Any = ConversationMember.__table__
_session, _user, _member = _sessions.c, _users.c, _members.c
_OWN = _user.id == _session.user_id


@dataclass(frozen=True)
class Actor:
    """An authenticated user on one device; `expires_at` is the expiry of the access token."""

    user_id: int
    session_id: int
    expires_at: datetime
    is_operator: bool = False
    device: str = ""
    platform: str = ""
    #: Time at which this session proved the second factor; None: never.
    second_factor_at: datetime | None = None


def authenticate(token: str) -> Actor:
    """Verify an access token and check that its session is active; concurrent callers share one query.

    Raises InvalidTokenError, TokenExpiredError or SessionRevokedError.
    """
    claims = tokens.verify(token, "access")
    row = _session_and_user(claims.session_id)
    if row is None or row.user_id != claims.user_id or row.revoked_at or row.disabled_at or row.expires_at <= now():
        raise SessionRevokedError
    _note_first_use(claims, row)
    return Actor(
        claims.user_id, claims.session_id, claims.expires_at,
        row.is_operator, row.device_name, row.platform, row.second_factor_at,
    )  # fmt: skip


def require_operator(actor: Actor) -> None:
    """Check that the actor is an operator and, if the settings require it, that the session proved the second factor.

    The proof must be recent (`has_proved`). Raises ForbiddenError, SecondFactorRequiredError,
    SecondFactorEnrolmentRequiredError.
    """
    if not actor.is_operator:
        raise ForbiddenError
    if settings.admin_second_factor and not has_proved(actor):
        require_enrolled(actor.user_id)
        raise SecondFactorRequiredError


def require_enrolled(user_id: int) -> None:
    """Raise SecondFactorEnrolmentRequiredError for an operator without a confirmed second factor."""
    confirmed = select(SecondFactor.confirmed_at).where(SecondFactor.user_id == user_id)
    if db.session.scalar(confirmed) is None:
        raise SecondFactorEnrolmentRequiredError


def conversations_of(session_id: int) -> set[int]:
    """Return the conversations of a session's user: the rooms of a new connection.

    Concurrent callers share one query. Raises SessionRevokedError.
    """
    found = _conversations(session_id)
    if found is None:
        raise SessionRevokedError
    return found


def ended_sessions(session_ids: Collection[int]) -> set[int]:
    """Return the given sessions that are no longer active, with one query."""
    alive = select(_session.id).join(_users, _OWN).where(_session.id.in_(session_ids), *_alive())
    return set(session_ids) - set(db.session.scalars(alive))


def has_proved(actor: Actor) -> bool:
    """Return whether the session has proved the second factor within the last `admin_session_seconds`."""
    oldest = now() - timedelta(seconds=settings.admin_session_seconds)
    return actor.second_factor_at is not None and actor.second_factor_at > oldest


def _note_first_use(claims: tokens.Claims, row: Row[Any]) -> None:
    """Store that the client received its log-in or refresh answer, when this token proves it for the first time.

    If the database cannot be written, log that and let the client in.
    """
    if claims.pair != tokens.pair_name(row.refresh_hash):
        return
    may_be_retried = row.previous_refresh_hash is not None and sessions.is_retry_window_open(row.rotated_at)
    if row.last_used_at > row.created_at and not may_be_retried:
        return
    try:
        _first_uses((row.id, row.refresh_hash))
    except Exception as exc:
        if as_app_error(exc) is None:
            raise
        log.warning("first_use_not_noted", session_id=row.id)


def _write_first_uses(keys: AbstractSet[tuple[int, str]]) -> dict[tuple[int, str], None]:
    atomic(_forget_predecessors, keys)
    return {}


def _forget_predecessors(session: Session, keys: AbstractSet[tuple[int, str]]) -> None:
    """Forget the previous refresh tokens, so that their reuse ends the session."""
    ids, hashes = {id_ for id_, _ in keys}, {hash_ for _, hash_ in keys}
    current = update(_sessions).where(_session.id.in_(ids), _session.refresh_hash.in_(hashes))
    session.execute(current.values(previous_refresh_hash=None, last_used_at=now()))


def _alive() -> tuple[ColumnElement[bool], ...]:
    """Return the SQL conditions for active sessions; `authenticate` checks the same in Python."""
    return _session.revoked_at.is_(None), _session.expires_at > now(), _user.disabled_at.is_(None)


def _read_sessions(session_ids: AbstractSet[int]) -> dict[int, Row[Any]]:
    query = (
        select(
            _session.id, _session.user_id, _session.revoked_at, _session.expires_at,
            _session.refresh_hash, _session.previous_refresh_hash, _session.rotated_at,
            _session.created_at, _session.last_used_at,
            _session.device_name, _session.platform, _session.second_factor_at, _user.disabled_at, _user.is_operator,
        )
        .join(_users, _OWN)
        .where(_session.id.in_(session_ids))
    )  # fmt: skip
    return {row.id: row for row in db.session.execute(query)}


def _read_conversations(session_ids: AbstractSet[int]) -> dict[int, set[int]]:
    in_it = and_(_member.user_id == _session.user_id, _member.left_at.is_(None))
    query = (
        select(_session.id, _member.conversation_id)
        .join(_users, _OWN)
        .outerjoin(_members, in_it)
        .where(_session.id.in_(session_ids), *_alive())
    )
    found: dict[int, set[int]] = defaultdict(set)
    for session_id, conversation_id in db.session.execute(query):
        found[session_id] |= set() if conversation_id is None else {conversation_id}
    return found


_session_and_user = SharedRead(_read_sessions)
_conversations = SharedRead(_read_conversations)
#: One transaction for all concurrent first uses: after a restart many clients refresh and connect at the same time.
_first_uses = SharedRead(_write_first_uses)
