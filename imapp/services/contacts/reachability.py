"""Whether a user may reach another: blocks, and the settings that limit private messages and groups to contacts."""

from typing import Literal

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import Session, scoped_session

from imapp.errors import BlockedError, NotAContactError
from imapp.extensions import settings
from imapp.models.contacts import Block, Contact

AnySession = Session | scoped_session[Session]


def is_blocked(session: AnySession, user_id: int, other_id: int) -> bool:
    """Return whether either user has blocked the other."""
    either = or_(
        and_(Block.user_id == user_id, Block.blocked_id == other_id),
        and_(Block.user_id == other_id, Block.blocked_id == user_id),
    )
    return bool(session.scalar(select(exists().where(Block.removed_at.is_(None), either))))


def are_contacts(session: AnySession, user_id: int, other_id: int) -> bool:
    """Return whether the two users are in each other's contacts."""
    pair = exists().where(Contact.user_id == user_id, Contact.contact_id == other_id, Contact.removed_at.is_(None))
    return bool(session.scalar(select(pair)))


def require_reach(session: AnySession, actor_id: int, other_id: int) -> None:
    """Raise BlockedError or NotAContactError if the actor may not write to the other user privately."""
    if is_blocked(session, actor_id, other_id):
        raise BlockedError
    if settings.private_messages == "contacts" and not are_contacts(session, actor_id, other_id):
        raise NotAContactError


def group_invites() -> Literal["anyone", "contacts"]:
    """Return which users may add a user to a group without asking."""
    return "contacts" if settings.private_messages == "contacts" else settings.group_invites


def contacts_among(session: AnySession, user_id: int, user_ids: set[int]) -> set[int]:
    """Return the user's contacts among these users, with one query."""
    own = select(Contact.contact_id).where(Contact.user_id == user_id, Contact.removed_at.is_(None))
    return set(session.scalars(own.where(Contact.contact_id.in_(user_ids))))
