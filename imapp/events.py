"""Every event that is pushed to clients. The AsyncAPI document is generated from these classes.

Names are `noun_verbed`. An event that alters a conversation carries its `change` (events with a message carry it
inside the message). An undeclared field is a bug and raises an error.
"""

from typing import ClassVar, Literal

from pydantic import BaseModel, JsonValue

from imapp.schemas.base import Moment, Out
from imapp.schemas.contacts import BlockOut, ContactOut, ContactRequestOut
from imapp.schemas.conversations import ConversationState
from imapp.schemas.groups import BanOut, GroupOut, JoinRequestOut, Role
from imapp.schemas.messages import MessageOut
from imapp.schemas.sync import ChangeOut
from imapp.schemas.users import MeOut, UserOut
from imapp.schemas.variants import VARIANTS, add_other, make


class Event(Out):
    """Base of all pushed events; `name` is the Socket.IO event name."""

    name: ClassVar[str]
    #: Number of versions by which the change has advanced the receiver's own state.
    versions: ClassVar[int] = 0


class OwnStateEvent(Event):
    """A change of the receivers' own state; it gives each receiver's state a new version."""

    versions = 1


class ConversationEvent(Event):
    """A change of a conversation other than a message; `conversation_changes.record` sets `change`."""

    conversation_id: int
    change: int = 0


class MessageCreated(Event):
    """A message was stored.

    Pushed to every device of every member, including the sender's other devices. The sending connection gets the
    message in its ack.
    """

    name = "message_created"
    message: MessageOut


class MessageEdited(Event):
    """The author changed the content or the mentions of a message."""

    name = "message_edited"
    message: MessageOut


class MessageRecalled(Event):
    """A message was recalled for everybody; its content is empty now."""

    name = "message_recalled"
    message: MessageOut


class MessageReacted(Event):
    """A member set or removed an emoji; the message carries all its current reactions.

    The push is the same for all members, so it names the member. `sync` returns only the message; there, `mine` of
    each reaction says whether the requesting user set it.
    """

    name = "message_reacted"
    message: MessageOut
    user_id: int
    emoji: str
    removed: bool


class MessagePinned(Event):
    """A message was pinned (or unpinned: `pinned_at` is null) for everybody."""

    name = "message_pinned"
    message: MessageOut


class MessagesHidden(OwnStateEvent):
    """The user deleted messages for themselves, on another device."""

    name = "messages_hidden"
    message_ids: list[str]
    version: int


class ConversationRead(OwnStateEvent):
    """A user has read up to `read_seq`.

    Sent to the user's own devices; in a private conversation also to the other user; in groups up to a configurable
    size also to the members, throttled. `version` is the reader's own counter and is meant for the reader's devices.
    Sending a message also marks the conversation as read. This is pushed only if it clears "marked as unread", and
    for the first message of a private conversation.
    """

    name = "conversation_read"
    conversation_id: int
    user_id: int
    read_seq: int
    version: int


class ConversationUpdated(OwnStateEvent):
    """The user changed their settings or draft of a conversation, or a private conversation was opened."""

    name = "conversation_updated"
    conversation: ConversationState


class UserTyping(Event):
    """A member is typing."""

    name = "user_typing"
    conversation_id: int
    user_id: int


class UserStopTyping(Event):
    """A member has stopped typing."""

    name = "user_stop_typing"
    conversation_id: int
    user_id: int


class PresenceChanged(Event):
    """A user that the receiver watches came online with their first device, or went offline with their last one."""

    name = "presence_changed"
    user_id: int
    online: bool
    last_seen_at: Moment | None = None


class SyncRequired(Event):
    """Pushes may have been lost: call `sync` now."""

    name = "sync_required"
    reason: str


class ServerDraining(Event):
    """The node is about to shut down: reconnect, to another node, after the given time."""

    name = "server_draining"
    reconnect_after_ms: int


class TokenExpiring(Event):
    """The connection's token expires soon: refresh it and send the new one with `renew_token`."""

    name = "token_expiring"
    expires_at: Moment


class SessionEnded(Event):
    """The server is about to close the connection; `code` says why. Do not reconnect with this token."""

    name = "session_ended"
    code: Literal["session_revoked", "token_expired"]


class UserUpdated(OwnStateEvent):
    """A user changed their profile: replace every copy of the user that has a smaller `revision`.

    Sent as MeOut to the user's own devices, and as UserOut to all users with this user among their contacts,
    requests, blocks or private conversations. Members of common groups are not notified: clients load member lists
    again.
    """

    name = "user_updated"
    user: MeOut | UserOut


class ContactRequestCreated(OwnStateEvent):
    """A user sent a contact request, or sent it again. Both users receive their own view of it."""

    name = "contact_request_created"
    request: ContactRequestOut


class ContactRequestUpdated(OwnStateEvent):
    """A contact request was accepted, rejected or cancelled. Both users receive their own view of it."""

    name = "contact_request_updated"
    request: ContactRequestOut


class ContactAdded(OwnStateEvent):
    """Two users have become contacts. Sent to both, each time with the other user."""

    name = "contact_added"
    contact: ContactOut


class ContactUpdated(OwnStateEvent):
    """The user changed their remark on a contact, on another device."""

    name = "contact_updated"
    contact: ContactOut


class ContactRemoved(OwnStateEvent):
    """Two users are no longer contacts (`removed` is true). Sent to both."""

    name = "contact_removed"
    contact: ContactOut


class UserBlocked(OwnStateEvent):
    """The user blocked somebody, on another device. The blocked user is not notified."""

    name = "user_blocked"
    block: BlockOut


class UserUnblocked(OwnStateEvent):
    """The user removed a block (`removed` is true), on another device."""

    name = "user_unblocked"
    block: BlockOut


class GroupCreated(ConversationEvent):
    """A group was created. Sent to its first members."""

    name = "group_created"
    actor_id: int
    group: GroupOut


class GroupUpdated(ConversationEvent):
    """The settings or the owner of a group changed; `group` is its current state."""

    name = "group_updated"
    actor_id: int
    group: GroupOut


class GroupDissolved(ConversationEvent):
    """A group was dissolved: its history stays, but nobody can write to it."""

    name = "group_dissolved"
    actor_id: int
    group: GroupOut


class MembersAdded(ConversationEvent):
    """Users have become plain members, whatever role they had before. Sent to all members, including the new ones."""

    name = "members_added"
    actor_id: int
    user_ids: list[int]
    member_count: int


class MemberRemoved(ConversationEvent):
    """A member left or was removed. Sent to the group and to the former member."""

    name = "member_removed"
    actor_id: int
    user_id: int
    reason: Literal["left", "kicked"]
    member_count: int


class MemberUpdated(ConversationEvent):
    """A member's role changed, or the time until which the member may only read."""

    name = "member_updated"
    actor_id: int
    user_id: int
    role: Role
    muted_until: Moment | None


class JoinRequestCreated(OwnStateEvent):
    """A user asked to join a group, was proposed, or was invited. Sent to the user, the owner and the admins."""

    name = "join_request_created"
    request: JoinRequestOut


class JoinRequestUpdated(OwnStateEvent):
    """A join request was accepted, rejected or cancelled, or an invitation accepted, declined or withdrawn.

    Sent to the user, the owner and the admins.
    """

    name = "join_request_updated"
    request: JoinRequestOut


class BanCreated(OwnStateEvent):
    """A member was removed and banned from the group. Sent to the owner and the admins."""

    name = "ban_created"
    ban: BanOut


class BanLifted(OwnStateEvent):
    """A ban was lifted: the user may be added, and may join as the group's policy allows.

    Sent to the owner and the admins.
    """

    name = "ban_lifted"
    ban: BanOut


class _Altered(Out):
    """An entry of the change log for an event with a message: the message as it is now."""

    message: MessageOut


_OF_MESSAGES: list[type[Event]] = [MessageCreated, MessageEdited, MessageRecalled, MessageReacted, MessagePinned]
_OF_GROUPS: list[type[Event]] = [GroupCreated, GroupUpdated, GroupDissolved, MembersAdded, MemberRemoved, MemberUpdated]


def _logged(event: type[Event], base: type[Out]) -> type[BaseModel]:
    return make(base, f"{event.__name__}Change", f"`event` is `{event.name}`.", change=int, event=Literal[event.name])


VARIANTS[ChangeOut] = [
    *(_logged(event, _Altered) for event in _OF_MESSAGES),
    *(_logged(event, event) for event in _OF_GROUPS),
]
add_other(ChangeOut, "OtherChange", "event")


#: An event as the JSON object that the change log stores.
Payload = dict[str, JsonValue]
