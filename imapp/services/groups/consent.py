"""Consent to being added to a group: when adding is refused, and which users are asked first.

A user cannot add users that have blocked them. A user that left the group, and a stranger if the settings require it,
becomes a member only by accepting an invitation (join_requests.py). A removed member is banned until the owner or an
admin lifts the ban (bans.py).
"""

from collections.abc import Collection

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from imapp.errors import BlockedError, NotFoundError
from imapp.models.contacts import Block
from imapp.models.conversations import LEFT
from imapp.models.groups import JoinRequest
from imapp.models.users import User
from imapp.services.contacts.reachability import contacts_among, group_invites
from imapp.services.groups.group_change import GroupChange


def require_addable(session: Session, inviter_ids: Collection[int], user_ids: set[int]) -> None:
    """Check that the users exist and have blocked none of the inviters; raises NotFoundError, BlockedError."""
    found = session.scalars(select(User.id).where(User.id.in_(user_ids), User.disabled_at.is_(None)))
    if len(found.all()) < len(user_ids):
        raise NotFoundError("There is no such user.")
    blocks = Block.user_id.in_(user_ids), Block.blocked_id.in_(inviter_ids), Block.removed_at.is_(None)
    if session.scalar(select(exists().where(*blocks))):
        raise BlockedError


def to_ask(change: GroupChange, inviter_ids: Collection[int], user_ids: set[int]) -> set[int]:
    """Return the users that become members only if they agree, without users that have asked to join."""
    asked = strangers(change.session, inviter_ids, user_ids) | change.ended_among(user_ids, LEFT)
    waiting = select(JoinRequest.user_id).where(
        JoinRequest.group_id == change.group.id,
        JoinRequest.user_id.in_(asked),
        JoinRequest.status == "pending",
        JoinRequest.inviter_id.is_(None),
    )
    return asked - change.present_among(asked) - set(change.session.scalars(waiting))


def strangers(session: Session, inviter_ids: Collection[int], user_ids: set[int]) -> set[int]:
    """Return the users that are no inviter's contact; the empty set if the settings allow anyone to add users."""
    if group_invites() == "anyone":
        return set()
    return user_ids.difference(*(contacts_among(session, inviter_id, user_ids) for inviter_id in inviter_ids))
