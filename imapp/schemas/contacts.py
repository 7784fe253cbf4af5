"""Contacts, contact requests and blocks: input and output.

The representations are the same in lists, pushed events and `sync`. `version` is the receiver's own counter
at the row's latest change, so that a device can keep the newer of two copies. `removed` marks removed rows.
"""

from typing import Annotated, Literal

from pydantic import Field

from imapp.schemas.base import Id, IdCursor, In, Moment, Out
from imapp.schemas.text import OptionalText
from imapp.schemas.users import UserOut
from imapp.schemas.validation import Limit

RequestStatus = Literal["pending", "accepted", "rejected", "cancelled"]

Direction = Literal["incoming", "outgoing"]


class ContactOut(Out):
    """One of the receiver's contacts; presence tells whether the contact is online."""

    user_id: int
    user: UserOut
    remark: str
    created_at: Moment
    removed: bool = False
    version: int


class ContactRequestOut(Out):
    """A contact request as one of its two users sees it; `user` is the other one."""

    id: int
    direction: Direction
    from_user_id: int
    to_user_id: int
    user: UserOut
    message: str
    status: RequestStatus
    created_at: Moment
    handled_at: Moment | None
    version: int


class BlockOut(Out):
    """A user that the receiver has blocked. Nobody else ever sees it."""

    user_id: int
    user: UserOut
    created_at: Moment
    removed: bool = False
    version: int


class ContactRequestIn(In):
    """The user to ask, with a few words."""

    user_id: Id
    message: Annotated[OptionalText, Field(max_length=200)] = ""


class ContactIn(In):
    """The caller's own name for the contact; empty removes it."""

    remark: Annotated[OptionalText, Field(max_length=50)]


class ContactsQuery(In):
    """A page of contacts or blocks, in the order of the users' ids."""

    limit: Limit = 50
    cursor: IdCursor | None = None


class ContactRequestsQuery(ContactsQuery):
    """A page of requests, the latest changed first."""

    direction: Direction = "incoming"
    status: RequestStatus | None = None
