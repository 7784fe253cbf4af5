"""Who may reach whom in private: blocks, and the setting that limits private messages to contacts."""

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import Session, scoped_session

from imapp.errors import BlockedError, NotAContactError
from imapp.extensions import settings
from imapp.models.contacts import Block, Contact

AnySession = Session | scoped_session[Session]


def is_blocked(session: AnySession, user_id: int, other_id: int) -> bool:
    """Tell whether either has blocked the other."""
    either = or_(
        and_(Block.user_id == user_id, Block.blocked_id == other_id),
        and_(Block.user_id == other_id, Block.blocked_id == user_id),
    )
    return bool(session.scalar(select(exists().where(Block.removed_at.is_(None), either))))


def are_contacts(session: AnySession, user_id: int, other_id: int) -> bool:
    """Tell whether the two are in each other's contacts."""
    pair = exists().where(Contact.user_id == user_id, Contact.contact_id == other_id, Contact.removed_at.is_(None))
    return bool(session.scalar(select(pair)))


def require_reach(session: AnySession, actor_id: int, other_id: int) -> None:
    """Let pass who may write to the other privately; raises BlockedError, NotAContactError."""
    if is_blocked(session, actor_id, other_id):
        raise BlockedError
    if settings.private_messages == "contacts" and not are_contacts(session, actor_id, other_id):
        raise NotAContactError
