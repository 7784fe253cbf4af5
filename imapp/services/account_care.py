"""What operators do for accounts: approve them, set a password, give and take an operator's rights.

Each act is written down (services/acts.py). On the command line all of it, over REST what needs no machine.
"""

import secrets

from sqlalchemy import select
from sqlalchemy.orm import Session

from imapp.database import atomic
from imapp.errors import NotFoundError, OwnAccountError
from imapp.extensions import db
from imapp.models.users import User
from imapp.schemas.administration import By
from imapp.schemas.sessions import ClientInfo
from imapp.services import acts, passwords, profiles, second_factor, sessions, users
from imapp.services.access import Actor, require_operator

#: Random bytes of a password that is made up: 16 characters.
_BYTES = 12

#: The most accounts that a list of waiting ones shows.
_SHOWN = 200


def waiting() -> list[User]:
    """The accounts that wait for approval, the oldest first."""
    pending = select(User).where(User.pending_since.is_not(None)).order_by(User.id).limit(_SHOWN)
    return list(db.session.scalars(pending, execution_options={"populate_existing": True}))


def approve_user(actor: Actor, client: ClientInfo, user_id: int) -> None:
    """Let a new account in; raises ForbiddenError, NotFoundError."""
    require_operator(actor)
    approve(user_id, By(actor.user_id, client.ip))


def approve(user_id: int, by: By) -> None:
    """Let a new account in; raises NotFoundError for one that does not wait."""
    atomic(_approve, by, user_id)
    profiles.announce(user_id)


def reset_password(actor: Actor, client: ClientInfo, user_id: int, password: str | None) -> str:
    """Set another user's password; raises ForbiddenError, OwnAccountError, NotFoundError, WeakPasswordError."""
    require_operator(actor)
    if user_id == actor.user_id:
        raise OwnAccountError
    return set_password(user_id, password, By(actor.user_id, client.ip))


def set_password(user_id: int, password: str | None, by: By) -> str:
    """Set a password, or make one up, end all sessions of the account, and return the password.

    Raises NotFoundError, WeakPasswordError.
    """
    user = users.get_row(user_id)
    password = password or secrets.token_urlsafe(_BYTES)
    passwords.require_strong(password, user.username_key, user.nickname)
    sessions.close_sockets(atomic(_set_password, by, user_id, passwords.hash_password(password)))
    return password


def set_operator(user_id: int, is_operator: bool, by: By) -> None:
    """Give or take an operator's rights; with them goes the second factor. Raises NotFoundError."""
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
    acts.note(session, by, "approve_user", _named(user))


def _set_password(session: Session, by: By, user_id: int, new_hash: str) -> list[int]:
    user = session.get_one(User, user_id, with_for_update=True)
    user.password_hash = new_hash
    acts.note(session, by, "set_password", _named(user))
    return sessions.revoke_all(session, user_id)


def _note_rights(session: Session, by: By, user_id: int, is_operator: bool) -> None:
    if not is_operator:
        second_factor.remove(session, user_id)
    user = session.get_one(User, user_id)
    acts.note(session, by, "make_operator" if is_operator else "revoke_operator", _named(user))


def _named(user: User) -> str:
    return f"user:{user.id} {user.username}"
