"""Conversations: the list, a user's own settings for each, read marks."""

from typing import Annotated, Literal

from pydantic import Field

from imapp.schemas.base import Id, In, Moment, Out, Position, Text
from imapp.schemas.groups import Role
from imapp.schemas.messages import MessageOut
from imapp.schemas.users import UserOut
from imapp.schemas.validation import Limit

ConversationType = Literal["private", "group"]

#: A draft may become any text message that the default settings allow.
Draft = Annotated[Text, Field(max_length=8000)]


class ConversationOut(Out):
    """A conversation as one of its members sees it.

    `unread` is exact: last_seq - read_seq, lines of the server and recalled messages included. `peer` and what begins
    with peer_ is of private conversations, what follows of groups; null in the other kind.
    """

    id: int
    type: ConversationType
    #: The oldest message that retention has left.
    first_seq: int
    last_seq: int
    last_change: int
    read_seq: int
    unread: int
    #: Unread messages of others that mention the user or everybody.
    mention_count: int
    #: The newest message that the user has not deleted for himself.
    last_message: MessageOut | None
    active_at: Moment
    pinned_at: Moment | None
    is_muted: bool
    is_hidden: bool
    is_marked_unread: bool
    draft: str | None
    peer_id: int | None
    peer: UserOut | None
    peer_read_seq: int | None
    name: str | None
    avatar_url: str | None
    member_count: int | None
    role: Role | None
    muted_until: Moment | None
    is_muted_all: bool | None
    dissolved_at: Moment | None


class ConversationState(Out):
    """What is the user's own about a conversation; hidden from the list while last_seq <= hidden_seq.

    `removed`: the user is not in it any more. `version` is the user's own counter at the latest change.
    """

    conversation_id: int
    read_seq: int
    pinned_at: Moment | None
    is_muted: bool
    hidden_seq: int | None
    is_marked_unread: bool
    draft: str | None
    removed: bool
    version: int


class OpenPrivate(In):
    """With whom."""

    user_id: Id


class ConversationsQuery(In):
    """A page of the list: pinned ones first, then by last activity."""

    limit: Limit = 50
    cursor: Annotated[str, Field(pattern=r"^[01]\.[0-9]{1,14}\.[0-9]{1,18}$")] | None = None


class ConversationPatch(In):
    """Fields that are left out stay as they are. `is_hidden` holds until the next message; a null draft removes it."""

    is_pinned: bool = False
    is_muted: bool = False
    is_hidden: bool = False
    is_marked_unread: bool = False
    draft: Draft | None = None


class UpdateConversation(ConversationPatch):
    """The user's own settings of a conversation."""

    conversation_id: Id


class ConversationRef(In):
    """A conversation."""

    conversation_id: Id


class MarkRead(In):
    """How far the conversation has been read."""

    conversation_id: Id
    seq: Position


class ReadPosition(In):
    """How far it has been read."""

    seq: Position


class ReadOut(Out):
    """Where the read mark stands; it never moves back."""

    read_seq: int
