"""`sync`: the state of a device, and the changes that it missed."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue

from imapp.schemas.base import Id, In, Moment, Out, Position
from imapp.schemas.contacts import BlockOut, ContactOut, ContactRequestOut
from imapp.schemas.conversations import ConversationState, ConversationType
from imapp.schemas.groups import GroupJoinRequests, JoinRequestOut
from imapp.schemas.messages import WireMessageId
from imapp.schemas.users import MeOut, UserOut
from imapp.schemas.variants import add_other, vary

#: Conversations that one request may name. A request of 5,000 fits into a packet and a body of 262,144 bytes.
MAX_NAMED = 10_000


class SyncIn(In):
    """The state of the device: the last change of each conversation, and the cursor of the user's own state.

    A device with more than 5,000 conversations sorts their ids and asks in pieces: the first with `last_id` = a,
    the next with `first_id` = a + 1 and `last_id` = b, and so on; the last piece has only `first_id`. An answer
    then covers only conversations, named or not, with ids in that range. Each piece begins with the same `cursor`,
    so `state` is the same in all of them; the device keeps the cursor at the end of the last piece.
    """

    conversations: Annotated[dict[Id, Position], Field(max_length=MAX_NAMED)] = {}
    #: Cover only conversations with this id or a greater one.
    first_id: Id | None = None
    #: Cover only conversations with this id or a smaller one.
    last_id: Id | None = None
    #: Maximum changes of each conversation; the server may return fewer.
    limit: Annotated[int, Field(ge=1)] | None = None
    #: The cursor of the last answer; omitted by a device that has nothing yet.
    cursor: Annotated[str, Field(max_length=100)] | None = None


class ChangeOut(Out):
    """One change of a conversation: its number, the event's name, and the fields of that event."""

    model_config = ConfigDict(extra="allow")

    change: int
    event: str


class SyncConversation(Out):
    """The changes of one conversation that a device missed.

    `changes` follow the change that the device named, in order; continue with `next_change` while it is below
    `last_change`. A conversation that was not named has its latest page here. `limited`: something is missing, either
    later changes (next_change < last_change) or, if the page is the latest one, older ones, which are in the history.
    """

    id: int
    type: ConversationType | None
    #: The oldest message that the server keeps; a device may drop older messages.
    first_seq: int
    last_seq: int
    last_change: int
    read_seq: int
    #: How far the other user has read; null in groups.
    peer_read_seq: int | None
    read_marks: dict[str, int] | None
    changes: list[ChangeOut]
    limited: bool
    next_change: int
    #: The user is not a member, or no longer one: drop the conversation.
    removed: bool
    #: The change that the device named is not of this history, or older than the log: drop the local copy and start
    #: with this page.
    reset: bool


class HiddenOut(Out):
    """Messages that the user deleted for themselves."""

    message_ids: list[WireMessageId]
    version: int


class StateRow(Out):
    """One piece of the user's own state as it is now; of two copies, the greater version is the newer one."""

    version: int
    #: "me" is the user's own account; "user" the other user of a private conversation, after a change of the profile;
    #: "join_request" one of the user's own; "group_join_requests" replaces all pending ones of that group.
    kind: Literal[
        "conversation",
        "messages_hidden",
        "contact",
        "contact_request",
        "block",
        "me",
        "user",
        "join_request",
        "group_join_requests",
    ]
    item: dict[str, JsonValue]


vary(
    StateRow,
    "{}Row",
    "kind",
    "item",
    {
        "conversation": ConversationState,
        "messages_hidden": HiddenOut,
        "contact": ContactOut,
        "contact_request": ContactRequestOut,
        "block": BlockOut,
        "me": MeOut,
        "user": UserOut,
        "join_request": JoinRequestOut,
        "group_join_requests": GroupJoinRequests,
    },
)
add_other(StateRow, "OtherRow", "kind", "item")


class SyncOut(Out):
    """The changes that the device missed. While `more` is true, ask again, naming all that the device has now."""

    conversations: list[SyncConversation]
    #: The user's own state that changed after the cursor, in order.
    state: list[StateRow]
    #: There is more state after `cursor`.
    state_limited: bool
    more: bool
    cursor: str
    #: If it differs from before, the database was restored: drop all local data and apply this answer.
    epoch: str
    server_time: Moment
