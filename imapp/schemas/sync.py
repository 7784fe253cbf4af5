"""`sync`: what a device has, and what it missed."""

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
    """What the device has: the last change of each conversation, and the cursor of the user's own state.

    A device with more than 5,000 conversations sorts their ids and asks in pieces: the first with `last_id` = a,
    the next with `first_id` = a + 1 and `last_id` = b, and so on; the last piece has only `first_id`. An answer
    then covers only conversations, named or not, whose ids are in that range. Each piece begins with the same `cursor`,
    so `state` is the same in all of them; the cursor that the last piece ends with is kept.
    """

    conversations: Annotated[dict[Id, Position], Field(max_length=MAX_NAMED)] = {}
    #: Cover only conversations with this id or a greater one.
    first_id: Id | None = None
    #: Cover only conversations with this id or a smaller one.
    last_id: Id | None = None
    #: Changes of each conversation; the server may give less.
    limit: Annotated[int, Field(ge=1)] | None = None
    #: As the last answer gave it; left out by a device that has nothing yet.
    cursor: Annotated[str, Field(max_length=100)] | None = None


class ChangeOut(Out):
    """One change of a conversation: its number, the event's name, and the fields of that event beside them."""

    model_config = ConfigDict(extra="allow")

    change: int
    event: str


class SyncConversation(Out):
    """What a device missed of one conversation.

    `changes` follow, in order, what the device named; go on with `next_change` while it is below `last_change`.
    A conversation that was not named comes with its latest page. `limited`: something is missing here, later
    changes (next_change < last_change) or, where the page is the latest one, older ones, which are in the history.
    """

    id: int
    type: ConversationType | None
    #: The oldest message that the server keeps; a device may forget those before.
    first_seq: int
    last_seq: int
    last_change: int
    read_seq: int
    #: How far the other has read; null in groups.
    peer_read_seq: int | None
    read_marks: dict[str, int] | None
    changes: list[ChangeOut]
    limited: bool
    next_change: int
    #: The user is not in it (any more): forget it.
    removed: bool
    #: What the device named is not of this history, or so old that the log does not reach back to it: forget it and
    #: start with this page.
    reset: bool


class HiddenOut(Out):
    """Messages that the user deleted for themselves."""

    message_ids: list[WireMessageId]
    version: int


class StateRow(Out):
    """One piece of the user's own state as it is now; the greater version of two is the newer one."""

    version: int
    #: "me" is the user's own account; "user" another side of a private conversation who has changed the profile;
    #: "join_request" one of the user's own; "group_join_requests" takes the place of all that wait in that group.
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
    """What the device missed; ask again, naming all that it has now, while `more` is true."""

    conversations: list[SyncConversation]
    #: The user's own state that changed after the cursor, in order.
    state: list[StateRow]
    #: There is more state after `cursor`.
    state_limited: bool
    more: bool
    cursor: str
    #: Another epoch than before: the database was restored, forget everything and apply this.
    epoch: str
    server_time: Moment
