"""Ops on messages inside a batch: send, edit, recall, erase, pin.

Each `apply` checks first and changes last, so that a refused op changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b

import orjson

from imapp.cluster.bus.bus import conversation_room, user_room
from imapp.cluster.bus.envelope import Stamp
from imapp.errors import (
    ClientIdConflictError,
    ForbiddenError,
    InvalidInputError,
    MessageRecalledError,
    NotFoundError,
    RoleRequiredError,
    TooManyEditsError,
    UnavailableError,
    WindowClosedError,
)
from imapp.events import (
    ConversationRead,
    Event,
    MessageCreated,
    MessageEdited,
    MessagePinned,
    MessageRecalled,
)
from imapp.extensions import settings
from imapp.models.messages import Mention, MessageEdit, Pin, Reaction
from imapp.schemas.contents import SYSTEM
from imapp.schemas.messages import MessageWire, message_wire
from imapp.services.write_path.batch import Answer, Batch, Op, Publication
from imapp.services.write_path.permissions import ADMINS, require_admin, require_member, require_voice
from imapp.services.write_path.private_ids import private_ids
from imapp.services.write_path.rows import Head, MessageRow, ReadMark, Rights

#: The user id that stands for everybody in the table of mentions.
EVERYBODY = 0

#: Maximum number of edits of one message. It is bounded because all versions are kept.
MAX_EDITS = 100

#: Replaces the fields of a message that its author sends again after leaving the conversation: the answer then says
#: only that the message is stored, and where.
_PLACE_ONLY = {
    "change": 0, "content": "{}", "mentions": None, "reactions": None, "edited_at": None, "recalled_at": None,
    "pinned_at": None, "pinned_by": None,
}  # fmt: skip


def announce(batch: Batch, head: Head, event: str, row: MessageRow, **more: object) -> MessageWire:
    """Queue the event of a changed message for after the commit; return the message as all members see it."""
    wire = message_wire(row)
    batch.publications.append(Publication(event, {"message": wire, **more}, (conversation_room(head.id),)))
    return wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The content of a message; `content` is already JSON, `mentions` holds user ids or "all"."""

    kind: str
    content: bytes
    mentions: Sequence[int | str] = ()

    @property
    def packed_mentions(self) -> str | None:
        """The mentions in the form of the message's column."""
        return orjson.dumps(self.mentions).decode() if self.mentions else None

    def note_mentions(self, batch: Batch, key: dict[str, int]) -> None:
        """Add the rows from which unread mentions are counted."""
        for user_id in {EVERYBODY if mention == "all" else int(mention) for mention in self.mentions}:
            batch.added[Mention].append({**key, "user_id": user_id})


@dataclass(frozen=True, slots=True, kw_only=True)
class Body(Said):
    """The parts of a new message."""

    client_id: str
    reply_to_seq: int | None = None
    forwarded_from: str | None = None


def require_mentionable(mentions: Sequence[int | str], *, is_admin: bool) -> None:
    """Raise RoleRequiredError if everybody is mentioned by a user that is not owner or admin of a group."""
    if "all" in mentions and not is_admin:
        raise RoleRequiredError("Only the owner and admins of a group may mention everybody.")


def _is_admin(head: Head, rights: Rights) -> bool:
    return head.type == "group" and rights.role in ADMINS


class Send(Op):
    """A new message; `origin` is the sid that gets the ack."""

    __slots__ = ("body", "digest", "origin", "peer_id")

    def __init__(
        self, actor_id: int, conversation_id: int, body: Body, origin: str | None = None, source: str | None = None
    ) -> None:
        """Prepare a message; `source` is the id of the forwarded message, if it forwards one."""
        super().__init__(actor_id, conversation_id)
        self.body = body
        self.origin = origin
        #: The recipient, if the conversation was found by the recipient's id.
        self.peer_id: int | None = None
        facts = (conversation_id, body.kind, body.reply_to_seq, list(body.mentions), body.forwarded_from)
        # The source may be edited between a forward and its retry.
        told = repr(facts).encode() + body.content if source is None else repr((conversation_id, source)).encode()
        self.digest = blake2b(told, digest_size=16).hexdigest()

    @property
    def client_id(self) -> str:
        """The key under which a retry finds the first result."""
        return self.body.client_id

    def apply(self, batch: Batch) -> Answer:
        """Store the message, or return the one stored by an earlier attempt."""
        first = batch.sent.get((self.actor_id, self.body.client_id))
        if first is not None:
            return self._duplicate(batch, first)
        if self.peer_id is not None:
            self._require_peer(batch, self.peer_id)
        head, rights = require_voice(batch, self)
        self._check(head, rights)
        row = self._row(batch)
        batch.create(head, row)
        batch.sent[self.actor_id, self.body.client_id] = row
        self.body.note_mentions(batch, {"conversation_id": self.conversation_id, "seq": row["seq"]})
        wire = message_wire(row)
        stamp = Stamp(self.accepted_ms, wire["id"], self.traceparent)
        batch.publications.append(self._created(wire, stamp))
        if head.last_seq == 1 or rights.is_marked_unread:
            self._tell_own_state(batch, head, rights)
        return {"message": wire, "duplicate": False}

    def _created(self, wire: MessageWire, stamp: Stamp | None = None) -> Publication:
        return Publication(
            MessageCreated.name, {"message": wire}, (conversation_room(self.conversation_id),), self.origin, stamp
        )

    def _require_peer(self, batch: Batch, peer_id: int) -> None:
        """Raise UnavailableError if the conversation is not the one with this peer.

        After a restore, the id cached by this node may belong to another pair. The client's retry finds the right one.
        """
        head = batch.heads.get(self.conversation_id)
        if head is None or head.peer_of(self.actor_id) != peer_id:
            private_ids().forget(self.actor_id, peer_id)
            raise UnavailableError(retry_after=1)

    def _tell_own_state(self, batch: Batch, head: Head, rights: Rights) -> None:
        """Push the sender's read mark, which the message has moved, and clear the sender's "marked as unread".

        The first message makes a private conversation visible to both sides. Either may have been a member without
        being shown it, even the sender, if the other side opened it.
        """
        peer_id = head.peer_of(self.actor_id) if head.last_seq == 1 else None
        if peer_id is None and not rights.is_marked_unread:
            return
        read: ReadMark = {"conversation_id": head.id, "user_id": self.actor_id, "read_seq": head.last_seq}
        batch.touch(head.id, self.actor_id, read)
        rooms = [user_room(self.actor_id)]
        if peer_id is not None:
            batch.touch(head.id, peer_id)
            rooms.append(user_room(peer_id))
        batch.publications.append(Publication(ConversationRead.name, read, tuple(rooms)))

    def _duplicate(self, batch: Batch, first: MessageRow) -> Answer:
        if first["digest"] != self.digest:
            raise ClientIdConflictError
        rights = batch.rights.get((self.conversation_id, self.actor_id))
        if rights is None or rights.left_at is not None:
            return {"message": message_wire({**first, **_PLACE_ONLY}), "duplicate": True}
        wire = message_wire(first)
        # The first node may have died before it pushed the message. Clients drop a change that they already have.
        batch.publications.append(self._created(wire))
        return {"message": batch.personal(self.actor_id, wire), "duplicate": True}

    def _check(self, head: Head, rights: Rights) -> None:
        if self.body.reply_to_seq is not None and self.body.reply_to_seq > head.last_seq:
            raise NotFoundError("The message to reply to does not exist.")
        require_mentionable(self.body.mentions, is_admin=_is_admin(head, rights))

    def _row(self, batch: Batch) -> MessageRow:
        return {
            "conversation_id": self.conversation_id, "seq": 0, "change": 0, "sender_id": self.actor_id,
            "client_id": self.body.client_id, "digest": self.digest, "type": self.body.kind,
            "content": self.body.content.decode(),
            "reply_to_seq": self.body.reply_to_seq, "forwarded_from": self.body.forwarded_from,
            "mentions": self.body.packed_mentions, "reactions": None,
            "created_at": batch.moment, "edited_at": None, "recalled_at": None, "pinned_at": None, "pinned_by": None,
        }  # fmt: skip


class MessageOp(Op):
    """A change to one message."""

    __slots__ = ("seq",)

    def __init__(self, actor_id: int, conversation_id: int, seq: int) -> None:
        super().__init__(actor_id, conversation_id)
        self.seq = seq

    @property
    def target_seq(self) -> int:
        """The seq of the message to load."""
        return self.seq

    def message(self, batch: Batch) -> MessageRow:
        """Return the row; raises NotFoundError, MessageRecalledError, ForbiddenError (system lines)."""
        row = batch.messages.get((self.conversation_id, self.seq))
        if row is None:
            raise NotFoundError
        if row["recalled_at"] is not None:
            raise MessageRecalledError
        if row["type"] == SYSTEM:
            raise ForbiddenError
        return row

    def finish(self, batch: Batch, head: Head, event: type[Event], row: MessageRow, **more: object) -> Answer:
        """Number, store and announce the changed row, with `more` beside it in the event; return the answer."""
        batch.alter(head, event.name, row)
        return {"message": batch.personal(self.actor_id, announce(batch, head, event.name, row, **more))}

    def key(self) -> dict[str, int]:
        """Return the message's primary key."""
        return {"conversation_id": self.conversation_id, "seq": self.seq}


class Edit(MessageOp):
    """Replace the content of the actor's own message, within the edit window; the version before is kept."""

    __slots__ = ("said",)

    counts_edits = True

    def __init__(self, actor_id: int, key: tuple[int, int], said: Said) -> None:
        super().__init__(actor_id, *key)
        self.said = said

    def apply(self, batch: Batch) -> Answer:
        """Replace the content and the mentions."""
        head, rights = require_voice(batch, self)
        row = self.message(batch)
        self._check(batch, row)
        require_mentionable(self.said.mentions, is_admin=_is_admin(head, rights))
        before, row["content"], row["edited_at"] = row["content"], self.said.content.decode(), batch.moment
        if row["mentions"] is not None:
            batch.remove(Mention, self.key())
        row["mentions"] = self.said.packed_mentions
        self.said.note_mentions(batch, self.key())
        result = self.finish(batch, head, MessageEdited, row)
        edit = {**self.key(), "change": row["change"], "content": before, "edited_at": batch.moment}
        batch.added[MessageEdit].append(edit)
        batch.edits[self.conversation_id, self.seq] += 1
        return result

    def _check(self, batch: Batch, row: MessageRow) -> None:
        if row["sender_id"] != self.actor_id:
            raise ForbiddenError("Only the author may edit a message.")
        if row["type"] != self.said.kind:
            raise InvalidInputError("An edit must keep the type of the message.")
        if batch.moment - row["created_at"] > timedelta(seconds=settings.edit_window_seconds):
            raise WindowClosedError
        if batch.edits[self.conversation_id, self.seq] >= MAX_EDITS:
            raise TooManyEditsError(f"A message may be edited at most {MAX_EDITS} times.")


class Recall(MessageOp):
    """Recall a message for everybody: its author within a window, the owner and admins of a group at any time."""

    __slots__ = ()

    def apply(self, batch: Batch) -> Answer:
        """Empty the message; none of its content is kept. A repeated recall by an entitled user changes nothing."""
        head, rights = require_member(batch, self)
        known = batch.messages.get((self.conversation_id, self.seq))
        if (
            known is not None
            and known["recalled_at"] is not None
            and (known["sender_id"] == self.actor_id or _is_admin(head, rights))
        ):  # a retry: the first answer may be lost
            return {"message": batch.personal(self.actor_id, message_wire(known))}
        row = self.message(batch)
        self._check(batch, head, rights, row)
        return self.empty(batch, head, row)

    def empty(self, batch: Batch, head: Head, row: MessageRow) -> Answer:
        """Clear the message, its versions, mentions, reactions and pin; only its place remains."""
        row["content"], row["recalled_at"] = "{}", batch.moment
        row["mentions"] = row["reactions"] = row["pinned_at"] = row["pinned_by"] = None
        for model in (MessageEdit, Mention, Reaction, Pin):
            batch.remove(model, self.key())
        batch.reactions.pop((self.conversation_id, self.seq), None)
        return self.finish(batch, head, MessageRecalled, row)

    def _check(self, batch: Batch, head: Head, rights: Rights, row: MessageRow) -> None:
        if _is_admin(head, rights):
            return
        if row["sender_id"] != self.actor_id:
            raise ForbiddenError("Only the author may recall a message.")
        if batch.moment - row["created_at"] > timedelta(seconds=settings.recall_window_seconds):
            raise WindowClosedError


class Erase(Recall):
    """Recall a message of an account that is being erased, whatever its age, and even if its author has left."""

    __slots__ = ()

    def apply(self, batch: Batch) -> Answer:
        """Empty the message."""
        row = self.message(batch)
        if row["sender_id"] != self.actor_id:
            raise ForbiddenError
        return self.empty(batch, batch.heads[self.conversation_id], row)


class SetPin(MessageOp):
    """Pin or unpin a message for everybody: either side of a private conversation, the owner and admins of a group."""

    __slots__ = ("pin",)

    def __init__(self, actor_id: int, key: tuple[int, int], *, pin: bool) -> None:
        super().__init__(actor_id, *key)
        self.pin = pin

    def apply(self, batch: Batch) -> Answer:
        """Set or remove the pin; repeating it changes nothing."""
        head, rights = require_voice(batch, self)
        require_admin(head, rights)
        row = self.message(batch)
        if (row["pinned_at"] is not None) == self.pin:
            return {"message": batch.personal(self.actor_id, message_wire(row))}
        row["pinned_at"] = batch.moment if self.pin else None
        row["pinned_by"] = self.actor_id if self.pin else None
        if self.pin:
            batch.added[Pin].append(self.key())
        else:
            batch.remove(Pin, self.key())
        return self.finish(batch, head, MessagePinned, row)
