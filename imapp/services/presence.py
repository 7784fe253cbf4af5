"""Presence: who is told that a user came or went, and who may ask.

Those who watch a user are his contacts and the other sides of his private conversations, less those on either
side of a block.
"""

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from imapp.cluster import bus, presence
from imapp.database import atomic
from imapp.events import PresenceChanged
from imapp.extensions import db
from imapp.models.contacts import Block, Contact
from imapp.models.conversations import Conversation
from imapp.models.users import User
from imapp.schemas.base import now


def came_online(user_id: int) -> None:
    """Tell those who watch that the user is online."""
    _announce(PresenceChanged(user_id=user_id, online=True))


def went_offline(user_id: int) -> None:
    """Note when the user was seen last and tell those who watch."""
    moment = now()
    atomic(_set_last_seen, user_id, moment)
    if not presence.is_online(user_id):
        _announce(PresenceChanged(user_id=user_id, online=False, last_seen_at=moment))


def online_users(actor_id: int, user_ids: list[int] | None) -> list[int]:
    """Those of `user_ids` (without: of the users whom the actor watches) who are online and not blocked."""
    asked = user_ids if user_ids is not None else watched(actor_id)
    found = presence.online_among(asked)
    online = [user_id for user_id in asked if user_id in found]
    hidden = _blocked_with(actor_id) if online else set()
    return [user_id for user_id in online if user_id not in hidden]


def reveal(user_id: int, other_id: int) -> None:
    """Two users may see each other now: tell each whether the other is online."""
    if other_id not in _blocked_with(user_id):
        _tell_each_other(user_id, other_id, online=True)


def conceal(user_id: int, other_id: int) -> None:
    """Two users may see each other no longer: each is offline to the other."""
    _tell_each_other(user_id, other_id, online=False)


def watched(user_id: int) -> list[int]:
    """Contacts and the other sides of private conversations; the relation is mutual."""
    contacts = select(Contact.contact_id).where(Contact.user_id == user_id, Contact.removed_at.is_(None))
    highs = select(Conversation.user_high_id).where(Conversation.user_low_id == user_id)
    lows = select(Conversation.user_low_id).where(Conversation.user_high_id == user_id)
    return sorted(db.session.scalars(contacts.union(highs, lows)))


def _tell_each_other(user_id: int, other_id: int, *, online: bool) -> None:
    """Who is offline looks offline anyway; who does not watch is told nothing."""
    if other_id not in watched(user_id):
        return
    for seen, watcher in ((user_id, other_id), (other_id, user_id)):
        if presence.is_online(seen):
            bus.publish(PresenceChanged(user_id=seen, online=online), bus.user_room(watcher))


def _announce(event: PresenceChanged) -> None:
    hidden = _blocked_with(event.user_id)
    rooms = [bus.user_room(user_id) for user_id in watched(event.user_id) if user_id not in hidden]
    if rooms:
        bus.publish(event, *rooms)


def _blocked_with(user_id: int) -> set[int]:
    """Everybody on either side of a block with the user."""
    either = or_(Block.user_id == user_id, Block.blocked_id == user_id)
    rows = db.session.execute(select(Block.user_id, Block.blocked_id).where(Block.removed_at.is_(None), either))
    return {other for row in rows for other in row if other != user_id}


def _set_last_seen(session: Session, user_id: int, moment: object) -> None:
    session.execute(update(User).where(User.id == user_id).values(last_seen_at=moment))
