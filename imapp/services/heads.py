"""How far conversations, users' own states and memberships are, as they are stored: a few numbers for each."""

from collections.abc import Collection

from sqlalchemy import func, select

from imapp.extensions import db
from imapp.models.conversations import Conversation, ConversationMember
from imapp.models.own_state import UserState

#: How many conversations a user is in, and the sum of their ids: two sets that differ hardly ever agree in both.
Digest = tuple[int, int]

NOWHERE: Digest = (0, 0)


def last_changes(conversation_ids: Collection[int]) -> dict[int, int]:
    """The number of the last change of each conversation, with one query."""
    rows = select(Conversation.id, Conversation.last_change).where(Conversation.id.in_(conversation_ids))
    return dict(db.session.execute(rows).tuples().all())


def versions(user_ids: Collection[int]) -> dict[int, int]:
    """The version of each user's own state, with one query."""
    rows = select(UserState.user_id, UserState.version).where(UserState.user_id.in_(user_ids))
    return dict(db.session.execute(rows).tuples().all())


def memberships(user_ids: Collection[int]) -> dict[int, Digest]:
    """What each user is a member of, with one query; NOWHERE is left out."""
    member = ConversationMember
    rows = (
        select(member.user_id, func.count(), func.sum(member.conversation_id))
        .where(member.user_id.in_(user_ids), member.left_at.is_(None))
        .group_by(member.user_id)
    )
    return {user_id: (int(count), int(total)) for user_id, count, total in db.session.execute(rows)}
