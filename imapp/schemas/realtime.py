"""What only the Socket.IO door takes and gives."""

from typing import Annotated

from pydantic import Field

from imapp.schemas.base import Id, In, Moment, Out


class Pong(Out):
    """An answer of the node that holds the connection."""

    server_time: Moment
    node_id: str


class RenewToken(In):
    """A new access token of the same login."""

    token: str


class TokenRenewed(Out):
    """How long the connection may last now."""

    expires_at: Moment


class OnlineQuery(In):
    """The users asked about; without: those whom the asker watches.

    The asker watches contacts, and the other sides of private conversations in which both have written. Members of
    common groups up to IM_PRESENCE_GROUP_MAX_MEMBERS may be asked about, too; all others count as offline.
    """

    user_ids: Annotated[list[Id], Field(max_length=1000)] | None = None


class OnlineUsers(Out):
    """Those who are online."""

    user_ids: list[int]
