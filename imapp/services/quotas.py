"""How much one user may have: groups of one's own, conversations. The rates are limits (imapp/cluster/limits.py).

Only what the user does is refused: being added to a group or written to is not, or strangers could use a quota up.
"""

from sqlalchemy import func, select

from imapp.errors import TooManyConversationsError, TooManyGroupsError
from imapp.extensions import db, settings
from imapp.models.conversations import ConversationMember
from imapp.models.groups import Group


def require_room_for_group(actor_id: int) -> None:
    """Let pass a user who may own one more group; raises TooManyGroupsError, TooManyConversationsError."""
    owned = select(func.count()).where(Group.owner_id == actor_id, Group.dissolved_at.is_(None))
    if (db.session.scalar(owned) or 0) >= settings.groups_owned_max:
        raise TooManyGroupsError(f"One user may own {settings.groups_owned_max} groups.")
    require_room_for_conversation(actor_id)


def require_room_for_conversation(actor_id: int) -> None:
    """Let pass a user who may open or join one more conversation; raises TooManyConversationsError."""
    present = select(func.count()).where(ConversationMember.user_id == actor_id, ConversationMember.left_at.is_(None))
    if (db.session.scalar(present) or 0) >= settings.conversations_max:
        raise TooManyConversationsError(f"One user may have {settings.conversations_max} conversations.")
