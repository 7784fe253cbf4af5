"""Administration by operators: users, sessions, connections, administrative acts."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, Field

from imapp.schemas.base import In, Moment, Out, Page, Text
from imapp.schemas.text import stripped
from imapp.schemas.users import Password
from imapp.schemas.validation import Cursor, Limit


class SetPasswordIn(In):
    """A user's new password; null: the server generates one."""

    password: Password | None = None


class PasswordOut(Out):
    """The user's new password."""

    password: str


class AdminUsersQuery(In):
    """Without `query`: the users online. With it: all accounts with a username or nickname that begins with it."""

    pending: Annotated[bool, Field(description="List the accounts that wait for approval instead.")] = False
    query: Annotated[Text, BeforeValidator(stripped), Field(min_length=1, max_length=64)] | None = None
    limit: Annotated[Limit, Field(le=100)] = 50
    cursor: Cursor | None = None


class AdminUserOut(Out):
    """An account as operators see it."""

    id: int
    username: str
    nickname: str
    is_operator: bool
    is_online: bool
    disabled_at: Moment | None
    pending_since: Moment | None
    last_seen_at: Moment | None
    created_at: Moment


class AdminUsersOut(Page[AdminUserOut]):
    """A page of accounts, with the number of users online in the cluster."""

    online: int


class ConnectionOut(Out):
    """An open socket of a session."""

    sid: str
    node_id: str
    platform: str
    since: Moment


class AdminSessionOut(Out):
    """A logged-in device with its open sockets; `ip` is the address of its last log-in or refresh."""

    id: int
    device_name: str
    platform: str
    ip: str
    user_agent: str
    created_at: Moment
    last_used_at: Moment
    expires_at: Moment
    connections: list[ConnectionOut]


class UserSessionsOut(Out):
    """A user with all their logged-in devices, the latest first."""

    user: AdminUserOut
    items: list[AdminSessionOut]


class ActsQuery(In):
    """A page of the log of administrative acts."""

    limit: Limit = 50
    cursor: Cursor | None = None


class ActOut(Out):
    """One administrative act; `user_id` is null for an act on the command line."""

    id: int
    at: Moment
    user_id: int | None
    name: str
    action: str
    target: str
    ip: str


@dataclass(frozen=True)
class By:
    """The author of an act: an operator at an address, or the command line, which has no account but a name."""

    user_id: int | None
    ip: str = ""
    name: str = ""
