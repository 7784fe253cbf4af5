"""Contacts, requests for contact, blocks: what clients send and what they get.

The representations are the same in lists, pushed events and `sync`; `version` is the receiver's own counter
at the row's latest change, so that a device keeps the newer of two. `removed` marks what is gone.
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
    """One of the receiver's contacts; who is online is told by presence."""

    user_id: int
    user: UserOut
    remark: str
    created_at: Moment
    removed: bool = False
    version: int


class ContactRequestOut(Out):
    """A request for contact as one of its two sides sees it; `user` is the other side."""

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
    """A user whom the receiver has blocked; only who blocks ever sees it."""

    user_id: int
    user: UserOut
    created_at: Moment
    removed: bool = False
    version: int


class ContactRequestIn(In):
    """Whom to ask, with a few words."""

    user_id: Id
    message: Annotated[OptionalText, Field(max_length=200)] = ""


class ContactIn(In):
    """What the user alone calls the contact; empty takes it back."""

    remark: Annotated[OptionalText, Field(max_length=50)]


class ContactsQuery(In):
    """A page of contacts or blocks, in the order of the users' ids."""

    limit: Limit = 50
    cursor: IdCursor | None = None


class ContactRequestsQuery(ContactsQuery):
    """A page of requests, the latest changed first."""

    direction: Direction = "incoming"
    status: RequestStatus | None = None
