"""Membership of conversations: the check before every read."""

from collections import defaultdict
from collections.abc import Set as AbstractSet

from sqlalchemy import ColumnElement, or_, select

from imapp.errors import NotAMemberError
from imapp.extensions import db
from imapp.models.conversations import UNSEEN, Conversation, ConversationMember


def require_membership(actor_id: int, conversation_id: int) -> ConversationMember:
    """Return the actor's row in the conversation; raises NotAMemberError, also if the conversation does not exist."""
    member = db.session.get(ConversationMember, (conversation_id, actor_id), populate_existing=True)
    if member is None or member.left_at is not None:
        raise NotAMemberError
    return member


def is_seen() -> ColumnElement[bool]:
    """Return a condition on members and their conversations: the member is shown the conversation.

    A private conversation without messages is shown only to the user that opened it.
    """
    standing = ConversationMember.standing
    return or_(standing.is_(None), standing != UNSEEN, Conversation.last_seq > 0)


def conversation_ids_of(user_ids: AbstractSet[int]) -> dict[int, set[int]]:
    """Return the conversations of each of these users, with one query."""
    statement = select(ConversationMember.user_id, ConversationMember.conversation_id).where(
        ConversationMember.user_id.in_(user_ids), ConversationMember.left_at.is_(None)
    )
    found: dict[int, set[int]] = defaultdict(set)
    for user_id, conversation_id in db.session.execute(statement):
        found[user_id].add(conversation_id)
    return found
