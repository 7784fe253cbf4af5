"""Accounts: create, read and find them. `profiles` changes them."""

import unicodedata
from collections.abc import Mapping

from sqlalchemy import ColumnElement, Select, and_, exists, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from imapp.clock import now
from imapp.cluster import limits
from imapp.errors import InvalidUsernameError, NotFoundError, UsernameTakenError
from imapp.extensions import db
from imapp.models.own_state import UserState
from imapp.models.users import User
from imapp.schemas.base import Page, cut
from imapp.schemas.users import MeOut, UserOut, UsersQuery
from imapp.services.accounts import usernames
from imapp.services.paging import not_a_cursor

#: Greater than every character that a name can have: ends the range of names with a prefix.
_LAST = "\U0010ffff"

#: Execution option: read rows anew that the session has read before, since they may have changed.
_FRESH = {"populate_existing": True}


def create_user(session: Session, fields: Mapping[str, object]) -> User:
    """Insert an account with its counter; raises UsernameTakenError. Part of a transaction."""
    user = User(created_at=now(), **fields)
    user.nickname_key, user.name_digest = nickname_key(user.nickname), usernames.digest(user.username_key)
    session.add(user)
    try:
        session.flush()
    except IntegrityError:
        raise UsernameTakenError from None
    session.add(UserState(user_id=user.id))
    return user


def require_free(username: str) -> None:
    """Raise UsernameTakenError for a name that is taken or looks like a taken one, before the costly hashing."""
    key = usernames.key_of(username)
    digests = {usernames.digest(key), usernames.digest(usernames.shown(username))}
    taken = exists().where(or_(User.username_key == key, User.name_digest.in_(digests)))
    if db.session.scalar(select(taken)):
        raise UsernameTakenError


def find_by_key(key: str) -> User | None:
    """Return the account with this username key, or None."""
    query = select(User).where(User.username_key == key)
    return db.session.scalars(query, execution_options=_FRESH).one_or_none()


def find_named(user: str) -> User:
    """Return the account with this username, or with this ID after a `#`; raises NotFoundError.

    A number without the `#` is a username: it may be that of another user than the one with this ID.
    """
    if user.startswith("#") and user[1:].isascii() and user[1:].isdigit():
        return get_row(int(user[1:]))
    try:
        found = find_by_key(usernames.key_of(user))
    except InvalidUsernameError:
        found = None
    if found is None:
        hint = f" For the user with the ID {user} write '#{user}', with the quotes." if user.isdigit() else ""
        raise NotFoundError(f"There is no user named {user}.{hint}")
    return found


def get_me(actor_id: int) -> MeOut:
    """Return the actor's own account."""
    return MeOut.model_validate(get_row(actor_id))


def get_user(user_id: int) -> UserOut:
    """Return another user's account as everybody sees it; raises NotFoundError."""
    return UserOut.model_validate(get_row(user_id))


def search(actor_id: int, query: UsersQuery) -> Page[UserOut]:
    """Find accounts by the beginning of their username, then by the beginning of their nickname.

    Each is read as a range of an index, so the cost does not depend on the number of accounts. Raises
    InvalidInputError for an invalid cursor, and RateLimitedError.
    """
    limits.hit("search_per_user", actor_id)
    rows, cursor = find(query, User.disabled_at.is_(None))
    return Page[UserOut](items=[UserOut.model_validate(user) for user in rows], next_cursor=cursor)


def find(query: UsersQuery, *which: ColumnElement[bool]) -> tuple[list[User], str | None]:
    """Return a page of the matching accounts and the next cursor; raises InvalidInputError for an invalid cursor."""
    by, after_key, after_id = _read_cursor(query.cursor)
    found: list[tuple[str, User]] = []
    if by == "u":
        usernames = _by_username(query.query, after_key).where(*which)
        found = [("u", user) for user in _rows(usernames, query.limit + 1)]
        after_key, after_id = "", 0
    if len(found) <= query.limit:
        nicknames = _by_nickname(query.query, after_key, after_id).where(*which)
        found += [("n", user) for user in _rows(nicknames, query.limit + 1 - len(found))]
    page, cursor = cut(found, query.limit, lambda row: _write_cursor(*row))
    return [user for _, user in page], cursor


def nickname_key(nickname: str) -> str:
    """Return the form in which search compares nicknames: compatibility forms and case are folded."""
    return unicodedata.normalize("NFKC", nickname).casefold()[:64]


def get_row(user_id: int) -> User:
    """Return the row of an account; raises NotFoundError."""
    user = db.session.get(User, user_id, populate_existing=True)
    if user is None:
        raise NotFoundError
    return user


def _by_username(prefix: str, after: str) -> Select[tuple[User]]:
    key = unicodedata.normalize("NFKC", prefix).lower()
    return (
        select(User)
        .where(User.username_key >= key, User.username_key < key + _LAST, User.username_key > after)
        .order_by(User.username_key)
    )


def _by_nickname(prefix: str, after: str, after_id: int) -> Select[tuple[User]]:
    """Select accounts by nickname, without those that the search by username has already found."""
    key, name = nickname_key(prefix), unicodedata.normalize("NFKC", prefix).lower()
    later: ColumnElement[bool] = or_(User.nickname_key > after, and_(User.nickname_key == after, User.id > after_id))
    return (
        select(User)
        .where(User.nickname_key >= key, User.nickname_key < key + _LAST, later)
        .where(or_(User.username_key < name, User.username_key >= name + _LAST))
        .order_by(User.nickname_key, User.id)
    )


def _rows(query: Select[tuple[User]], limit: int) -> list[User]:
    return list(db.session.scalars(query.limit(limit), execution_options=_FRESH))


def _write_cursor(by: str, user: User) -> str:
    return f"u:0:{user.username_key}" if by == "u" else f"n:{user.id}:{user.nickname_key}"


def _read_cursor(cursor: str | None) -> tuple[str, str, int]:
    if cursor is None:
        return "u", "", 0
    by, _, rest = cursor.partition(":")
    number, _, key = rest.partition(":")
    if by not in {"u", "n"} or not (number.isascii() and number.isdigit() and len(number) < 19):
        raise not_a_cursor()
    return by, key, int(number)
