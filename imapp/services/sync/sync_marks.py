"""The read marks of other users, for `sync`.

A read mark makes no change; the conversation stores the time of the last move of a mark instead. Marks only grow, so
sending a mark twice does no harm, and the clocks of several nodes need not agree.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import accumulate

from sqlalchemy import case, select

from imapp.extensions import db, settings
from imapp.models.conversations import Conversation, ConversationMember
from imapp.models.groups import Group
from imapp.services.sync.sync_changes import Feed

#: Maximum number of members' read marks in one answer (20 bytes each). Groups beyond this limit get none.
MARKS_MAX = 5_000

#: Tolerance for marks set before the last `sync`: longer than the difference of two nodes' clocks, and than the time
#: from the moment of a mark to its commit.
SLACK = timedelta(minutes=2)

#: Read marks by user.
Marks = dict[str, int]


def has_moved(read_at: datetime | None, since: datetime | None) -> bool:
    """Return whether another user's mark may have moved since the device's last `sync` (None: unknown or none)."""
    return read_at is not None and (since is None or read_at > since - SLACK)


def of_peers(user_id: int, feeds: Sequence[Feed]) -> dict[int, int]:
    """Return how far the other sides of private conversations have read."""
    ids = [feed.id for feed in feeds if feed.type == "private"]
    if not ids:
        return {}
    peer_id = case((Conversation.user_low_id == user_id, Conversation.user_high_id), else_=Conversation.user_low_id)
    statement = (
        select(Conversation.id, ConversationMember.read_seq)
        .join(
            ConversationMember,
            (ConversationMember.conversation_id == Conversation.id) & (ConversationMember.user_id == peer_id),
        )
        .where(Conversation.id.in_(ids))
    )
    return dict(db.session.execute(statement).tuples().all())


def of_members(feeds: Sequence[Feed]) -> dict[int, Marks]:
    """Return how far the members of small groups have read; empty for groups for which the answer has no room."""
    ids = [feed.id for feed in feeds if feed.type == "group"]
    if not ids:
        return {}
    small = Group.member_count <= settings.group_receipts_max_members
    counted = select(Group.id, Group.member_count).where(Group.id.in_(ids), small)
    sizes = dict(db.session.execute(counted).tuples().all())
    marks: dict[int, Marks] = {id_: {} for id_ in ids if id_ in sizes}
    totals = accumulate(sizes[id_] for id_ in marks)
    wanted = [id_ for id_, total in zip(marks, totals, strict=True) if total <= MARKS_MAX]
    member = ConversationMember
    statement = select(member.conversation_id, member.user_id, member.read_seq)
    statement = statement.where(member.conversation_id.in_(wanted), member.left_at.is_(None))
    for group_id, user_id, read_seq in db.session.execute(statement) if wanted else ():
        marks[group_id][str(user_id)] = read_seq
    return marks
