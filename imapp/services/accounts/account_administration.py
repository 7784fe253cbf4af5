"""Operators' work on accounts: approve them, set passwords, grant and revoke operator rights.

Each act is logged (services/audit_log.py). The command line offers all of these acts; REST offers
approval and passwords.
"""

import secrets

from sqlalchemy import select
from sqlalchemy.orm import Session

from imapp.database.transactions import atomic
from imapp.errors import NotFoundError, OwnAccountError
from imapp.extensions import db
from imapp.models.users import User
from imapp.schemas.administration import By
from imapp.schemas.sessions import ClientInfo
from imapp.services import audit_log
from imapp.services.accounts import passwords, profiles, second_factor, sessions, users
from imapp.services.accounts.authentication import Actor, require_operator

#: Random bytes of a generated password; they make 16 characters.
_BYTES = 12

#: Maximum number of accounts in the list of accounts that wait for approval.
_SHOWN = 200


def waiting() -> list[User]:
    """Return the accounts that wait for approval, oldest first, at most _SHOWN."""
    pending = select(User).where(User.pending_since.is_not(None)).order_by(User.id).limit(_SHOWN)
    return list(db.session.scalars(pending, execution_options={"populate_existing": True}))


def approve_user(actor: Actor, client: ClientInfo, user_id: int) -> None:
    """Approve a new account as an operator; raises ForbiddenError, NotFoundError."""
    require_operator(actor)
    approve(user_id, By(actor.user_id, client.ip))


def approve(user_id: int, by: By) -> None:
    """Approve a new account; raises NotFoundError if it does not wait for approval."""
    atomic(_approve, by, user_id)
    profiles.announce(user_id)


def reset_password(actor: Actor, client: ClientInfo, user_id: int, password: str | None) -> str:
    """Set another user's password; raises ForbiddenError, OwnAccountError, NotFoundError, WeakPasswordError."""
    require_operator(actor)
    if user_id == actor.user_id:
        raise OwnAccountError
    return set_password(user_id, password, By(actor.user_id, client.ip))


def set_password(user_id: int, password: str | None, by: By) -> str:
    """Set or generate a password, end all sessions of the account, and return the password.

    Raises NotFoundError, WeakPasswordError.
    """
    user = users.get_row(user_id)
    password = password or secrets.token_urlsafe(_BYTES)
    passwords.require_strong(password, user.username_key, user.nickname)
    sessions.close_sockets(atomic(_set_password, by, user_id, passwords.hash_password(password)))
    return password


def set_operator(user_id: int, is_operator: bool, by: By) -> None:
    """Grant or revoke operator rights; revoking also removes the second factor. Raises NotFoundError."""
    user = users.get_row(user_id)
    if user.is_operator == is_operator:
        return
    profiles.write(user_id, {"is_operator": is_operator})
    atomic(_note_rights, by, user_id, is_operator)


def _approve(session: Session, by: By, user_id: int) -> None:
    user = session.get(User, user_id, with_for_update=True)
    if user is None or user.pending_since is None:
        raise NotFoundError("No such account waits for approval.")
    user.pending_since = user.disabled_at = None
    audit_log.note(session, by, "approve_user", audit_log.target_of(user))


def _set_password(session: Session, by: By, user_id: int, new_hash: str) -> list[int]:
    user = session.get_one(User, user_id, with_for_update=True)
    user.password_hash = new_hash
    audit_log.note(session, by, "set_password", audit_log.target_of(user))
    return sessions.revoke_all(session, user_id)


def _note_rights(session: Session, by: By, user_id: int, is_operator: bool) -> None:
    if not is_operator:
        second_factor.remove(session, user_id)
    user = session.get_one(User, user_id)
    audit_log.note(session, by, "make_operator" if is_operator else "revoke_operator", audit_log.target_of(user))
