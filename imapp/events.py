"""Everything that is pushed to clients, declared once: the AsyncAPI document is generated from here.

Names are `noun_verbed`. An event that alters a conversation carries its `change` (events with a message carry it
inside the message). Fields that are not declared are a bug and fail.
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
    #: By how many versions a receiver's own state has grown with what the event tells.
    versions: ClassVar[int] = 0


class OwnStateEvent(Event):
    """A change of the receivers' own state: each of them has a new version by it."""

    versions = 1


class ConversationEvent(Event):
    """An alteration of a conversation that is not a message; `change` is given by `timeline.record`."""

    conversation_id: int
    change: int = 0


class MessageCreated(Event):
    """A message was stored.

    Pushed to every device of every member, the sender's other devices included; the connection that sent it has
    the message in its ack.
    """

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
    """A member set or removed an emoji; the message carries all reactions as they are now.

    The push is the same for all members, so it names the member. In `sync` the message alone is told: there, `mine` of
    each reaction says what is the asking user's own.
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
    """The user deleted messages for himself, on another device."""

    name = "messages_hidden"
    message_ids: list[str]
    version: int


class ConversationRead(OwnStateEvent):
    """A user has read up to `read_seq`.

    To the user's own devices; in a private conversation also to the other; in groups up to a configurable size to
    the members, throttled. `version` is of the reader's own counter, for the reader's own devices. Who writes has
    read: that is told where it takes back "marked as unread", and at the first message of a private conversation.
    """

    name = "conversation_read"
    conversation_id: int
    user_id: int
    read_seq: int
    version: int


class ConversationUpdated(OwnStateEvent):
    """The user changed own settings of a conversation (or the draft), or a private conversation was opened."""

    name = "conversation_updated"
    conversation: ConversationState


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
    """The node goes away: reconnect (to another) after the given time."""

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


class UserUpdated(OwnStateEvent):
    """A user changed the profile: replace every copy of the user that has a smaller `revision`.

    To the user's own devices, as the user sees the account, and to everybody who has the user among the contacts,
    requests, blocks or private conversations. Members of common groups are not told: lists of members are read
    afresh.
    """

    name = "user_updated"
    user: MeOut | UserOut


class ContactRequestCreated(OwnStateEvent):
    """Somebody asked for contact (or asked again); to both sides, each as that side sees it."""

    name = "contact_request_created"
    request: ContactRequestOut


class ContactRequestUpdated(OwnStateEvent):
    """A request was accepted, rejected or cancelled; to both sides, each as that side sees it."""

    name = "contact_request_updated"
    request: ContactRequestOut


class ContactAdded(OwnStateEvent):
    """Two users have become contacts; to both, each with the other."""

    name = "contact_added"
    contact: ContactOut


class ContactUpdated(OwnStateEvent):
    """The user changed the remark on a contact, on another device."""

    name = "contact_updated"
    contact: ContactOut


class ContactRemoved(OwnStateEvent):
    """A friendship has ended (`removed` is true); to both."""

    name = "contact_removed"
    contact: ContactOut


class UserBlocked(OwnStateEvent):
    """The user blocked somebody, on another device; the blocked is not told."""

    name = "user_blocked"
    block: BlockOut


class UserUnblocked(OwnStateEvent):
    """The user took a block back (`removed` is true), on another device."""

    name = "user_unblocked"
    block: BlockOut


class GroupCreated(ConversationEvent):
    """A group was created; to its first members."""

    name = "group_created"
    actor_id: int
    group: GroupOut


class GroupUpdated(ConversationEvent):
    """Settings of a group, or its owner, were changed; the group as it is now."""

    name = "group_updated"
    actor_id: int
    group: GroupOut


class GroupDissolved(ConversationEvent):
    """A group was dissolved: its history stays, nobody writes any more."""

    name = "group_dissolved"
    actor_id: int
    group: GroupOut


class MembersAdded(ConversationEvent):
    """Users have become plain members, whatever they were before; to the group, the new members included."""

    name = "members_added"
    actor_id: int
    user_ids: list[int]
    member_count: int


class MemberRemoved(ConversationEvent):
    """A member left or was removed; to the group and to the one who is no longer in it."""

    name = "member_removed"
    actor_id: int
    user_id: int
    reason: Literal["left", "kicked"]
    member_count: int


class MemberUpdated(ConversationEvent):
    """A member's role changed, or until when the member may only read."""

    name = "member_updated"
    actor_id: int
    user_id: int
    role: Role
    muted_until: Moment | None


class JoinRequestCreated(OwnStateEvent):
    """A user asked to join a group, was proposed, or is invited; to the user, the owner and the admins."""

    name = "join_request_created"
    request: JoinRequestOut


class JoinRequestUpdated(OwnStateEvent):
    """A request was accepted, rejected or cancelled, an invitation accepted, declined or withdrawn.

    To the user, the owner and the admins.
    """

    name = "join_request_updated"
    request: JoinRequestOut


class BanCreated(OwnStateEvent):
    """A member was removed, and is banned from the group; to owner and admins."""

    name = "ban_created"
    ban: BanOut


class BanLifted(OwnStateEvent):
    """A ban has ended: the user may be added, and join as the group's policy allows; to owner and admins."""

    name = "ban_lifted"
    ban: BanOut


class _Altered(Out):
    """What the log of changes keeps of an event that carries a message: the message as it is now."""

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


#: A JSON object of an event, as stored in the log of changes.
Payload = dict[str, JsonValue]
