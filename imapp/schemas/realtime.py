"""Input and output of commands that only Socket.IO has."""

from typing import Annotated

from pydantic import Field

from imapp.schemas.base import Id, In, Moment, Out


class Pong(Out):
    """The answer of the node that holds the connection."""

    server_time: Moment
    node_id: str


class RenewToken(In):
    """A new access token of the same session."""

    token: str


class TokenRenewed(Out):
    """The new time until which the connection may stay open."""

    expires_at: Moment


class OnlineQuery(In):
    """The users to check; without `user_ids`, the users that the caller watches.

    The caller watches contacts, and the other users of private conversations in which both have written. Members of
    common groups with up to IM_PRESENCE_GROUP_MAX_MEMBERS members may be checked, too; all others count as offline.
    """

    user_ids: Annotated[list[Id], Field(max_length=1000)] | None = None


class OnlineUsers(Out):
    """The checked users that are online."""

    user_ids: list[int]
