"""Everything that is pushed to clients, declared once: the AsyncAPI document is generated from here.

Names are `noun_verbed`. An event that alters a conversation carries its `change` (events with a message carry it
inside the message). Fields that are not declared are a bug and fail.
"""

from typing import ClassVar, Literal

from pydantic import JsonValue

from imapp.schemas.base import Moment, Out
from imapp.schemas.messages import MessageOut


class Event(Out):
    """Base of all pushed events; `name` is the Socket.IO event name."""

    name: ClassVar[str]


class ConversationEvent(Event):
    """An alteration of a conversation that is not a message; `change` is given by `timeline.record`."""

    conversation_id: int
    change: int = 0


class MessageCreated(Event):
    """A message was stored; sent to every device of every member, the sender's other devices included."""

    name = "message_created"
    message: MessageOut


class MessageEdited(Event):
    """The author changed what a message says."""

    name = "message_edited"
    message: MessageOut


class MessageRecalled(Event):
    """A message was taken back for everybody; its content is empty now."""

    name = "message_recalled"
    message: MessageOut


class MessageReacted(Event):
    """Somebody set or took back an emoji; the message carries all reactions as they are now."""

    name = "message_reacted"
    message: MessageOut


class MessagePinned(Event):
    """A message was pinned (or unpinned: `pinned_at` is null) for everybody."""

    name = "message_pinned"
    message: MessageOut


class MessagesHidden(Event):
    """The user deleted messages for himself, on another device."""

    name = "messages_hidden"
    message_ids: list[str]
    version: int


class ConversationRead(Event):
    """A user has read up to `read_seq`.

    To the user's own devices; in a private conversation also to the other; in groups up to a configurable size to
    the members, throttled.
    """

    name = "conversation_read"
    conversation_id: int
    user_id: int
    read_seq: int


class UserTyping(Event):
    """A member is writing."""

    name = "user_typing"
    conversation_id: int
    user_id: int


class UserStopTyping(Event):
    """A member has stopped writing."""

    name = "user_stop_typing"
    conversation_id: int
    user_id: int


class PresenceChanged(Event):
    """A user whom the receiver watches came online with a first device or went offline with the last."""

    name = "presence_changed"
    user_id: int
    online: bool
    last_seen_at: Moment | None = None


class SyncRequired(Event):
    """Pushes may have been lost: ask `sync` now."""

    name = "sync_required"
    reason: str


class ServerDraining(Event):
    """This node goes away: reconnect (to another) after the given time."""

    name = "server_draining"
    reconnect_after_ms: int


class TokenExpiring(Event):
    """The connection's token ends soon: refresh it and send the new one with `renew_token`."""

    name = "token_expiring"
    expires_at: Moment


class SessionEnded(Event):
    """The connection is about to be closed by the server, `code` says why; don't reconnect with this token."""

    name = "session_ended"
    code: Literal["session_revoked", "token_expired"]


#: A JSON object of an event, as stored in the log of changes.
Payload = dict[str, JsonValue]
