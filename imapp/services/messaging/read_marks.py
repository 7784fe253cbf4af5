"""Read marks: how far a user has read a conversation. They are state (the last one wins) and take no change number."""

from imapp.cluster.bus.bus import user_room
from imapp.errors import AppError
from imapp.events import ConversationRead
from imapp.extensions import settings
from imapp.services.messaging import receipts
from imapp.services.write_path import committer
from imapp.services.write_path.batch import Answer, Batch, Op, Publication
from imapp.services.write_path.committer import Done
from imapp.services.write_path.permissions import require_member
from imapp.services.write_path.rows import ReadMark
from imapp.services.write_path.transaction import Outcome


class MarkRead(Op):
    """Move the actor's read mark forward, never back."""

    __slots__ = ("receipt", "seq")

    def __init__(self, actor_id: int, conversation_id: int, seq: int) -> None:
        super().__init__(actor_id, conversation_id)
        self.seq = seq
        #: The read receipt for the members of a group, to be pushed after the commit.
        self.receipt: ReadMark | None = None

    def apply(self, batch: Batch) -> Answer:
        """Move the mark; return its position."""
        self.receipt = None
        head, rights = require_member(batch, self)
        known = batch.read_seq(head.id, self.actor_id)
        seq = max(known, min(self.seq, head.last_seq))
        if seq == known and not rights.is_marked_unread:
            return {"read_seq": known}
        batch.mark_read(head.id, self.actor_id, seq)
        payload: ReadMark = {"conversation_id": head.id, "user_id": self.actor_id, "read_seq": seq}
        batch.touch(head.id, self.actor_id, payload)
        tells_others = head.type == "private" or (rights.member_count or 0) <= settings.group_receipts_max_members
        if tells_others:
            batch.read.add(head.id)
        rooms = [user_room(self.actor_id)]  # the members of a group get receipts, less often
        if head.type == "private" and head.last_seq:  # the other side does not see an empty private conversation
            peer = head.peer_of(self.actor_id) or self.actor_id
            batch.touch(head.id, peer)
            rooms.append(user_room(peer))
        batch.publications.append(Publication(ConversationRead.name, payload, tuple(rooms)))
        if head.type == "group" and tells_others:
            self.receipt = payload
        return {"read_seq": seq}

    def spread_receipt(self) -> None:
        """Push the receipt to the members of a group; call this after the commit."""
        if self.receipt is not None:
            receipts.spread(self.receipt)


def mark_read(actor_id: int, conversation_id: int, seq: int) -> Answer:
    """Move the mark and wait for the commit; return {"read_seq"}. Raises NotAMemberError."""
    op = MarkRead(actor_id, conversation_id, seq)
    answer = committer.run(op)
    op.spread_receipt()
    return answer


def submit_mark_read(actor_id: int, conversation_id: int, seq: int, done: Done) -> None:
    """Move the mark without waiting for the commit: `done` gets the outcome."""
    op = MarkRead(actor_id, conversation_id, seq)

    def answer(outcome: Outcome) -> None:
        done(outcome)
        if not isinstance(outcome, AppError):
            op.spread_receipt()

    committer.submit(op, answer)
