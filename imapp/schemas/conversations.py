"""Conversations: the list, a user's own settings for each, read marks."""

from typing import Annotated, Literal

from pydantic import Field

from imapp.schemas.base import Id, In, Moment, Out, Position, Text
from imapp.schemas.groups import Role
from imapp.schemas.messages import MessageOut
from imapp.schemas.users import UserOut
from imapp.schemas.validation import Limit

ConversationType = Literal["private", "group"]

#: A draft may be as long as a text message with the default settings.
Draft = Annotated[Text, Field(max_length=8000)]


class ConversationOut(Out):
    """A conversation as one of its members sees it.

    `unread` is exact: last_seq - read_seq, including system lines and recalled messages. `peer` and the fields that
    begin with peer_ belong to private conversations, the fields after them to groups; they are null in the other kind.
    """

    id: int
    type: ConversationType
    #: The oldest message that retention has not deleted.
    first_seq: int
    last_seq: int
    last_change: int
    read_seq: int
    unread: int
    #: Unread messages of others that mention the user or everybody.
    mention_count: int
    #: The newest message that the user has not deleted for themselves.
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
    """The user's own state of a conversation, which is hidden from the list while last_seq <= hidden_seq.

    `removed`: the user is no longer a member. `version` is the user's own counter at the latest change.
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
    """The other user of the private conversation."""

    user_id: Id


class ConversationsQuery(In):
    """A page of the list: pinned conversations first, then by last activity."""

    limit: Limit = 50
    cursor: Annotated[str, Field(pattern=r"^[01]\.[0-9]{1,14}\.[0-9]{1,18}$")] | None = None


class ConversationPatch(In):
    """Omitted fields stay as they are. `is_hidden` ends with the next message; null removes the draft."""

    is_pinned: bool = False
    is_muted: bool = False
    is_hidden: bool = False
    is_marked_unread: bool = False
    draft: Draft | None = None


class UpdateConversation(ConversationPatch):
    """A change of the user's own settings of a conversation."""

    conversation_id: Id


class ConversationRef(In):
    """A conversation."""

    conversation_id: Id


class MarkRead(In):
    """How far the conversation has been read."""

    conversation_id: Id
    seq: Position


class ReadPosition(In):
    """How far the conversation has been read."""

    seq: Position


class ReadOut(Out):
    """The position of the read mark; it never moves back."""

    read_seq: int
