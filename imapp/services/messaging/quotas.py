"""Quotas of a user: owned groups and conversations. Rates have limits of their own (imapp/cluster/limits.py).

Only the user's own actions are refused, not being added to a group or written to: strangers could use up a quota.
"""

from sqlalchemy import func, select

from imapp.errors import TooManyConversationsError, TooManyGroupsError
from imapp.extensions import db, settings
from imapp.models.conversations import ConversationMember
from imapp.models.groups import Group


def require_room_for_group(actor_id: int) -> None:
    """Raise TooManyGroupsError or TooManyConversationsError if the user may not own another group."""
    owned = select(func.count()).where(Group.owner_id == actor_id, Group.dissolved_at.is_(None))
    if (db.session.scalar(owned) or 0) >= settings.groups_owned_max:
        raise TooManyGroupsError(f"A user may own at most {settings.groups_owned_max} groups.")
    require_room_for_conversation(actor_id)


def require_room_for_conversation(actor_id: int) -> None:
    """Raise TooManyConversationsError if the user may not open or join another conversation."""
    present = select(func.count()).where(ConversationMember.user_id == actor_id, ConversationMember.left_at.is_(None))
    if (db.session.scalar(present) or 0) >= settings.conversations_max:
        raise TooManyConversationsError(f"A user may have at most {settings.conversations_max} conversations.")
