"""Device sessions: open, list and end them. Ending a session closes its sockets."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, or_, select, true, update
from sqlalchemy.orm import Session

from imapp.clock import now
from imapp.cluster.bus import bus
from imapp.database.transactions import atomic
from imapp.errors import NotFoundError
from imapp.extensions import db, settings
from imapp.models.sessions import DeviceSession
from imapp.schemas.base import Page
from imapp.schemas.sessions import ClientInfo, DeviceIn, SessionOut
from imapp.services import affected_rooms
from imapp.services.accounts import tokens

#: Maximum number of sessions of one user. Opening another one ends the least recently used one.
MAX_SESSIONS = 50


def list_sessions(actor_id: int, session_id: int) -> Page[SessionOut]:
    """Return the actor's sessions, latest log-in first; `session_id` is the current one."""
    names = SessionOut.model_fields.keys() - {"current"}
    items = [
        SessionOut(**{name: getattr(row, name) for name in names}, current=row.id == session_id)
        for row in alive_rows(actor_id)
    ]
    return Page[SessionOut](items=items)


def alive_rows(user_id: int) -> list[DeviceSession]:
    """Return the valid sessions of a user, latest log-in first."""
    alive = select(DeviceSession).where(DeviceSession.user_id == user_id, *_alive()).order_by(DeviceSession.id.desc())
    return list(db.session.scalars(alive, execution_options={"populate_existing": True}))


def revoke_session(actor_id: int, session_id: int) -> None:
    """End one of the actor's sessions; raises NotFoundError."""
    if not atomic(_revoke, actor_id, DeviceSession.id == session_id):
        raise NotFoundError
    close_sockets([session_id])


def revoke_others(actor_id: int, session_id: int) -> None:
    """End all of the actor's sessions but this one."""
    close_sockets(atomic(revoke_all_but, actor_id, session_id))


def open_session(
    session: Session, user_id: int, token_id: str, device: DeviceIn, client: ClientInfo
) -> tuple[DeviceSession, list[int]]:
    """Insert a session; return it and the ids of the sessions ended to make room. Part of a transaction."""
    over = or_(DeviceSession.revoked_at.is_not(None), DeviceSession.expires_at <= now())
    session.execute(delete(DeviceSession).where(DeviceSession.user_id == user_id, over))
    row = DeviceSession(user_id=user_id, device_name=device.name, platform=device.platform)
    renew(row, token_id, client)
    row.created_at = row.last_used_at  # until its first use
    session.add(row)
    session.flush()
    return row, _revoke_least_used(session, user_id, row.id)


def rotate(row: DeviceSession, spent_id: str, client: ClientInfo) -> str | None:
    """Replace the session's refresh token and return the new token's id. Part of a transaction.

    The previous token is accepted again while its successor is unused and recent: the answer was probably lost. Any
    other token is reused, which means that it has leaked: return None.
    """
    spent = tokens.fingerprint(spent_id)
    if spent == row.refresh_hash:
        row.previous_refresh_hash, row.rotated_at = spent, now()
    elif spent != row.previous_refresh_hash or not is_retry_window_open(row.rotated_at):
        return None
    successor = tokens.successor_id(spent_id)
    renew(row, successor, client)
    return successor


def is_retry_window_open(rotated_at: datetime | None) -> bool:
    """Return whether a refresh made at `rotated_at` may still be retried."""
    return rotated_at is not None and rotated_at + timedelta(seconds=settings.refresh_retry_seconds) > now()


def renew(row: DeviceSession, token_id: str, client: ClientInfo) -> None:
    """Extend the session from now on, with this refresh token as its current one. Part of a transaction."""
    row.refresh_hash = tokens.fingerprint(token_id)
    row.last_used_at = now()
    row.expires_at = row.last_used_at + timedelta(seconds=settings.refresh_token_seconds)
    row.ip, row.user_agent = client.ip[:45], client.user_agent[:255]


def revoke_all_but(session: Session, user_id: int, session_id: int) -> list[int]:
    """End the user's other sessions and return their ids. Part of a transaction."""
    return _revoke(session, user_id, DeviceSession.id != session_id)


def revoke_all(session: Session, user_id: int) -> list[int]:
    """End all sessions of a user and return their ids. Part of a transaction."""
    return _revoke(session, user_id, true())


def revoke_any(session: Session, session_id: int) -> int:
    """End a session of any user and return the user's id; raises NotFoundError. Part of a transaction."""
    row = session.get(DeviceSession, session_id, with_for_update=True)
    if row is None or not _revoke(session, row.user_id, DeviceSession.id == session_id):
        raise NotFoundError
    return row.user_id


def close_sockets(session_ids: list[int]) -> None:
    """Send the reason to the connections of ended sessions, and close them."""
    for session_id in session_ids:
        bus.disconnect_session(session_id, "session_revoked")


def _alive() -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return DeviceSession.revoked_at.is_(None), DeviceSession.expires_at > now()


def _revoke(session: Session, user_id: int, which: ColumnElement[bool]) -> list[int]:
    ids = list(session.scalars(select(DeviceSession.id).where(DeviceSession.user_id == user_id, which, *_alive())))
    affected_rooms.note(session, *map(bus.session_room, ids))
    session.execute(update(DeviceSession).where(DeviceSession.id.in_(ids)).values(revoked_at=now()))
    return ids


def _revoke_least_used(session: Session, user_id: int, new_id: int) -> list[int]:
    """End the excess sessions: first those never used after their log-in, then the least recently used.

    `last_used_at` is updated at the first use of each pair of tokens (in `access`).
    """
    row = DeviceSession
    others = select(row.id).where(row.user_id == user_id, row.id != new_id, *_alive())
    by_use = (row.last_used_at > row.created_at).desc(), row.last_used_at.desc(), row.id.desc()
    ids = list(session.scalars(others.order_by(*by_use).offset(MAX_SESSIONS - 1)))
    return _revoke(session, user_id, row.id.in_(ids)) if ids else []
