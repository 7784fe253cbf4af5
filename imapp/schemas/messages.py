"""Messages: input and output."""

import re
from collections.abc import Container
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol, TypedDict

import orjson
from pydantic import AfterValidator, Field, JsonValue, WithJsonSchema, model_validator

from imapp.clock import from_unix_ms, unix_ms
from imapp.schemas.base import MAX_ID, Id, IdCursor, In, Moment, Out, Position, Text, rfc3339
from imapp.schemas.contents import CONTENTS, SYSTEM, Content, MessageType, check_content
from imapp.schemas.system_lines import Recalled, SystemContent
from imapp.schemas.validation import Limit
from imapp.schemas.variants import add_other, vary

_MESSAGE_ID = re.compile(r"([1-9][0-9]{0,18})-([1-9][0-9]{0,18})\Z")


def message_id(conversation_id: int, seq: int) -> str:
    """Return the id of a message on the wire."""
    return f"{conversation_id}-{seq}"


def split_message_id(value: str) -> tuple[int, int]:
    """Return (conversation_id, seq); raises ValueError if the text is not a message id."""
    match = _MESSAGE_ID.match(value)
    if match is None or int(match[1]) > MAX_ID or int(match[2]) > MAX_ID:
        raise ValueError("not a message id")
    return int(match[1]), int(match[2])


def _checked_message_id(value: str) -> str:
    split_message_id(value)
    return value


_MESSAGE_ID_SCHEMA = {"type": "string", "pattern": "^[1-9][0-9]{0,18}-[1-9][0-9]{0,18}$", "examples": ["12-345"]}

MessageId = Annotated[str, AfterValidator(_checked_message_id), WithJsonSchema(_MESSAGE_ID_SCHEMA)]

#: The id of a message in an answer: <conversation>-<seq>.
WireMessageId = Annotated[str, WithJsonSchema(_MESSAGE_ID_SCHEMA)]

#: Chosen by the sender, unique per sender: a repeated send stores nothing twice. A UUID is a good choice.
ClientId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]+$")]

#: One emoji that Unicode recommends for interchange (RGI), in any of its spellings.
Emoji = Annotated[Text, Field(min_length=1, max_length=32, examples=["👍"])]


#: User ids; "all" mentions everybody and is only for owners and admins.
Mentions = Annotated[list[Id | Literal["all"]], Field(max_length=50)]

#: A mention in an answer; for clients, any string. Code of openapi-python-client cannot hold an id beside a constant.
MentionOut = Annotated[
    int | Literal["all"],
    WithJsonSchema({"anyOf": [{"type": "integer", "format": "int64"}, {"type": "string"}]}, mode="serialization"),
]


class MessageDraft(In):
    """A message as its author sends it."""

    client_id: ClientId
    type: MessageType
    content: Content
    reply_to: MessageId | None = None
    mentions: Mentions = Field(default_factory=list)

    @model_validator(mode="after")
    def _content_fits_the_type(self) -> "MessageDraft":
        object.__setattr__(self, "content", check_content(self.type, self.content))
        return self


class SendMessage(MessageDraft):
    """A message with its target: exactly one of conversation_id, to_user_id and group_id."""

    conversation_id: Id | None = None
    to_user_id: Id | None = None
    group_id: Id | None = None

    @model_validator(mode="after")
    def _one_target(self) -> "SendMessage":
        if sum(target is not None for target in (self.conversation_id, self.to_user_id, self.group_id)) != 1:
            raise ValueError("give exactly one of conversation_id, to_user_id and group_id")
        return self


class ForwardMessage(In):
    """The message to forward, and the conversation to forward it to."""

    client_id: ClientId
    message_id: MessageId
    conversation_id: Id


class ContentIn(In):
    """The new content of the author's own message, of the same type as before, and the users that it mentions.

    As in a new message, omitting `mentions` mentions nobody.
    """

    content: Content
    mentions: Mentions = Field(default_factory=list)


class EditMessage(ContentIn):
    """New content and mentions of the author's own message."""

    message_id: MessageId


class ReactionIn(In):
    """An emoji."""

    emoji: Emoji


class MessageRef(In):
    """A message."""

    message_id: MessageId


class React(In):
    """Set an emoji on a message, or with `remove`, remove it."""

    message_id: MessageId
    emoji: Emoji
    remove: bool = False


class HideMessages(In):
    """Delete messages for oneself only."""

    message_ids: Annotated[list[MessageId], Field(min_length=1, max_length=100)]


vary(MessageDraft, "{}Draft", "type", "content", dict(CONTENTS))
vary(SendMessage, "Send{}", "type", "content", dict(CONTENTS))


class ReactionOut(Out):
    """How many users have set one emoji on a message, and the first 20 of them.

    `mine`: whether the requesting user is one of them. It is null in pushes, which are the same for all members: keep
    your known value, and change it on `message_reacted` with your own `user_id`.
    """

    emoji: str
    count: int
    user_ids: list[int]
    mine: bool | None


class ForwardedFrom(Out):
    """Author and time of the original message. Its conversation is not disclosed, because it may be a private one.

    Both are null in messages that an earlier version of the server forwarded.
    """

    sender_id: int | None
    created_at: Moment | None


class MessageOut(Out):
    """A message. `seq` numbers messages; `change` is the number of the latest change of this message."""

    id: WireMessageId
    conversation_id: int
    seq: int
    change: int
    sender_id: int
    client_id: str | None
    type: Literal["text", "image", "file", "voice", "video", "location", "custom", "system"]
    content: dict[str, JsonValue]
    reply_to: WireMessageId | None
    forwarded_from: ForwardedFrom | None
    mentions: list[MentionOut]
    reactions: list[ReactionOut]
    created_at: Moment
    edited_at: Moment | None
    recalled_at: Moment | None
    pinned_at: Moment | None
    pinned_by: int | None


#: The content of a message: that of its type, or nothing once it is recalled.
_SHOWN: dict[str, Any] = {kind: shape | Recalled for kind, shape in CONTENTS.items()}

vary(MessageOut, "{}Message", "type", "content", {**_SHOWN, SYSTEM: SystemContent})
add_other(MessageOut, "OtherMessage", "type", "content")


class MessageAck(Out):
    """The stored message; `duplicate`: this client_id had been stored before."""

    message: MessageOut
    duplicate: bool


class MessageResult(Out):
    """A message after a change."""

    message: MessageOut


class EditOut(Out):
    """The version of a message before an edit."""

    change: int
    content: dict[str, JsonValue]
    edited_at: Moment


class ListQuery(In):
    """A page of the pinned messages, newest first, or of a message's earlier versions, oldest first."""

    limit: Limit = 50
    cursor: IdCursor | None = None


class HistoryPage(Out):
    """Messages, newest first with `before`, oldest first with `after`.

    There are fewer than `limit` if they are large (about 1 MB in all): only `has_more` tells whether there are more.
    """

    items: list[MessageOut]
    has_more: bool


class HistoryQuery(In):
    """A page of messages `before` or `after` a seq; without both, the newest page."""

    before: Position | None = None
    after: Position | None = None
    limit: Limit = 50


class Columns(Protocol):
    """A row of a table, as a mapping of its columns."""

    def __getitem__(self, name: str, /) -> Any:
        """Return a column's value."""


class OriginWire(TypedDict):
    """ForwardedFrom as a JSON object."""

    sender_id: int | None
    created_at: str | None


class ReactionWire(TypedDict):
    """ReactionOut as a JSON object."""

    emoji: str
    count: int
    user_ids: list[int]
    mine: bool | None


class MessageWire(TypedDict):
    """MessageOut as a JSON object."""

    id: str
    conversation_id: int
    seq: int
    change: int
    sender_id: int
    client_id: str | None
    type: str
    content: dict[str, JsonValue]
    reply_to: str | None
    forwarded_from: OriginWire | None
    mentions: list[int | str]
    reactions: list[ReactionWire]
    created_at: str
    edited_at: str | None
    recalled_at: str | None
    pinned_at: str | None
    pinned_by: int | None


def message_wire(row: Columns) -> MessageWire:
    """Return a row of `messages` in the shape of MessageOut. Built by hand: this is the hot path."""
    conversation_id = row["conversation_id"]
    return {
        "id": f"{conversation_id}-{row['seq']}",
        "conversation_id": conversation_id,
        "seq": row["seq"],
        "change": row["change"],
        "sender_id": row["sender_id"],
        "client_id": row["client_id"],
        "type": row["type"],
        "content": orjson.loads(row["content"]),
        "reply_to": f"{conversation_id}-{row['reply_to_seq']}" if row["reply_to_seq"] else None,
        "forwarded_from": _origin(row["forwarded_from"]) if row["forwarded_from"] else None,
        "mentions": orjson.loads(row["mentions"]) if row["mentions"] else [],
        "reactions": _reactions(row["reactions"]) if row["reactions"] else [],
        "created_at": rfc3339(row["created_at"]),
        "edited_at": _moment(row["edited_at"]),
        "recalled_at": _moment(row["recalled_at"]),
        "pinned_at": _moment(row["pinned_at"]),
        "pinned_by": row["pinned_by"],
    }


def personal(wire: MessageWire, user_id: int, own: Container[str] = ()) -> MessageWire:
    """Return a message with `mine` for one user: true for the emoji in `own`, and where `user_ids` has the user."""
    if not wire["reactions"]:
        return wire
    reactions: list[ReactionWire] = [
        {**one, "mine": one["emoji"] in own or user_id in one["user_ids"]} for one in wire["reactions"]
    ]
    return {**wire, "reactions": reactions}


def _reactions(stored: str) -> list[ReactionWire]:
    reactions: list[ReactionWire] = orjson.loads(stored)
    for one in reactions:
        one["mine"] = None
    return reactions


def origin(sender_id: int, created_at: datetime) -> str:
    """Return the stored form of a forwarded message's author and time: "<sender>@<milliseconds>"."""
    return f"{sender_id}@{unix_ms(created_at)}"


def _origin(stored: str) -> OriginWire:
    """Return author and time from the stored form.

    Earlier versions stored the id of the message, which members of another conversation must not see.
    """
    sender_id, found, moment = stored.partition("@")
    if not found:
        return {"sender_id": None, "created_at": None}
    return {"sender_id": int(sender_id), "created_at": rfc3339(from_unix_ms(int(moment)))}


def _moment(value: datetime | None) -> str | None:
    return None if value is None else rfc3339(value)
