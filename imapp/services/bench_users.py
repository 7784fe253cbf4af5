"""Users and groups for benchmarks: thousands in seconds, with bulk inserts and without password hashing."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from itertools import islice

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from imapp.clock import now
from imapp.database.transactions import atomic
from imapp.extensions import Base, settings
from imapp.models.conversations import Conversation, ConversationMember
from imapp.models.groups import Group
from imapp.models.own_state import UserState
from imapp.models.sessions import DeviceSession
from imapp.models.users import User
from imapp.services.accounts import tokens
from imapp.services.accounts.passwords import NO_PASSWORD

#: Lifetime of the tokens and their sessions.
_LIFETIME = timedelta(days=1)

#: Number of rows per INSERT.
_ROWS = 1000


def load(users: int, groups: int, group_size: int) -> list[str]:
    """Create users and groups; return a line for each user: token, user id, id of the first group or "-"."""
    return atomic(_load, users, groups, group_size)


def _load(session: Session, users: int, groups: int, group_size: int) -> list[str]:
    user_ids = _next_ids(session, User, users)
    session_ids = _next_ids(session, DeviceSession, users)
    group_ids = _next_ids(session, Conversation, groups)
    # Round robin: every user is in one group before any user is in two.
    members = [
        (group_id, user_ids[(index * group_size + offset) % users])
        for index, group_id in enumerate(group_ids)
        for offset in range(group_size)
    ]
    _insert(session, User, map(_user, user_ids))
    _insert(session, DeviceSession, map(_session, session_ids, user_ids))
    _insert(session, Conversation, map(_conversation, group_ids))
    owners = [user_id for _, user_id in members[::group_size]]
    _insert(session, Group, (_group(*pair, group_size) for pair in zip(group_ids, owners, strict=True)))
    versions = _insert_members(session, members, set(zip(group_ids, owners, strict=True)))
    states = ({"user_id": user_id, "version": versions.get(user_id, 0)} for user_id in user_ids)
    _insert(session, UserState, states)
    return _lines(user_ids, session_ids, members)


def _next_ids(session: Session, model: type[User | DeviceSession | Conversation], count: int) -> range:
    """Return the ids after the greatest one, because rows refer to each other before they are inserted."""
    first = (session.scalar(select(func.max(model.id))) or 0) + 1
    return range(first, first + count)


def _insert(session: Session, model: type[Base], rows: Iterable[Mapping[str, object]]) -> None:
    pending = iter(rows)
    while chunk := list(islice(pending, _ROWS)):
        session.execute(insert(model), chunk)


def _user(user_id: int) -> dict[str, object]:
    name = f"fixture-{user_id}"
    names = {"username": name, "username_key": name, "nickname": name, "nickname_key": name}
    return {"id": user_id, **names, "password_hash": NO_PASSWORD, "created_at": now()}


def _session(session_id: int, user_id: int) -> dict[str, object]:
    """Return a session that cannot be refreshed: no token has the empty hash."""
    moment = now()
    times = {"created_at": moment, "last_used_at": moment, "expires_at": moment + _LIFETIME}
    return {"id": session_id, "user_id": user_id, "device_name": "fixture", "refresh_hash": "", **times}


def _conversation(conversation_id: int) -> dict[str, object]:
    moment = now()
    return {"id": conversation_id, "type": "group", "active_at": moment, "created_at": moment}


def _group(group_id: int, owner_id: int, size: int) -> dict[str, object]:
    return {
        "id": group_id,
        "owner_id": owner_id,
        "name": f"fixture {group_id}",
        "join_policy": "open",
        "member_count": size,
        "member_limit": max(size, settings.group_member_limit),
        "created_at": now(),
    }


def _insert_members(session: Session, members: list[tuple[int, int]], owners: set[tuple[int, int]]) -> dict[int, int]:
    """Insert the memberships; return the value of each user's version counter."""
    versions: dict[int, int] = {}
    moment = now()

    def row(member: tuple[int, int]) -> dict[str, object]:
        group_id, user_id = member
        versions[user_id] = versions.get(user_id, 0) + 1
        role = "owner" if member in owners else "member"
        fields = {"conversation_id": group_id, "user_id": user_id, "role": role}
        return {**fields, "joined_at": moment, "version": versions[user_id]}

    _insert(session, ConversationMember, map(row, members))
    return versions


def _lines(user_ids: range, session_ids: range, members: list[tuple[int, int]]) -> list[str]:
    first_group: dict[int, int] = {}
    for group_id, user_id in members:
        first_group.setdefault(user_id, group_id)
    lines = []
    for user_id, session_id in zip(user_ids, session_ids, strict=True):
        token = tokens.issue_alone(user_id, session_id, _LIFETIME)
        lines.append(f"{token} {user_id} {first_group.get(user_id, '-')}")
    return lines
