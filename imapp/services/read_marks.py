"""Read marks: how far a user has read a conversation. State, the last one wins: they take no change number."""

from typing import Any

from imapp.cluster.bus import conversation_room, user_room
from imapp.events import ConversationRead
from imapp.extensions import settings
from imapp.services import committer
from imapp.services.batch import Batch, Head, Op
from imapp.services.rights import require_member


class MarkRead(Op):
    """Move the actor's read mark forward; never back."""

    __slots__ = ("seq",)

    def __init__(self, actor_id: int, conversation_id: int, seq: int) -> None:
        super().__init__(actor_id, conversation_id)
        self.seq = seq

    def apply(self, batch: Batch) -> dict[str, Any]:
        """Move the mark; the answer tells where it stands."""
        head, rights = require_member(batch, self)
        known = batch.read_seq(head.id, self.actor_id)
        seq = max(known, min(self.seq, head.last_seq))
        if seq == known and not rights["is_marked_unread"]:
            return {"read_seq": known}
        batch.mark_read(head.id, self.actor_id, seq)
        batch.touch(head.id, self.actor_id)
        rooms = self._rooms(batch, head, rights["member_count"])
        payload = {"conversation_id": head.id, "user_id": self.actor_id, "read_seq": seq}
        batch.publications.append((ConversationRead.name, payload, rooms, None))
        return {"read_seq": seq}

    def _rooms(self, batch: Batch, head: Head, member_count: int | None) -> tuple[str, ...]:
        """Own devices always; the other side of a private conversation; the members of a small group."""
        own = user_room(self.actor_id)
        if head.type == "private":
            peer = head.peer_of(self.actor_id) or self.actor_id
            batch.touch(head.id, peer)
            return (own, user_room(peer))
        if (member_count or 0) <= settings.group_receipts_max_members:
            return (own, conversation_room(head.id))
        return (own,)


def mark_read(actor_id: int, conversation_id: int, seq: int) -> dict[str, Any]:
    """Move the mark and wait for the commit; gives {"read_seq"}. Raises NotAMemberError."""
    return committer.run(MarkRead(actor_id, conversation_id, seq))


def submit_mark_read(actor_id: int, conversation_id: int, seq: int, done: Any) -> None:
    """As `mark_read` without waiting: `done` gets the outcome."""
    committer.submit(MarkRead(actor_id, conversation_id, seq), done)
