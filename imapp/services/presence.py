"""Presence: who is told that a user came or went, and who may ask.

Those who watch a user are his contacts and the other sides of his private conversations, less those on either
side of a block.
"""

from collections.abc import Collection

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


def changed(changes: dict[int, bool]) -> None:
    """Tell those who watch who came online (True) and who went offline, and note when the latter were seen last.

    Some hundred users at most; it costs the same few queries for all of them. Raises what the database raises.
    """
    moment = now()
    gone = [user_id for user_id, is_online in changes.items() if not is_online]
    if gone:
        atomic(_set_last_seen, gone, moment)
    back = presence.online_among(gone)
    told = {user_id: is_online for user_id, is_online in changes.items() if user_id not in back}
    hidden = _blocked_pairs(told)
    for user_id, watcher in _watches(told):
        if (user_id, watcher) not in hidden:
            online = told[user_id]
            event = PresenceChanged(user_id=user_id, online=online, last_seen_at=None if online else moment)
            bus.publish(event, bus.user_room(watcher))


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
    return sorted(other for _, other in _watches([user_id]))


def _watches(user_ids: Collection[int]) -> set[tuple[int, int]]:
    """Each of the users with each who watches him."""
    contacts = select(Contact.user_id, Contact.contact_id).where(
        Contact.user_id.in_(user_ids), Contact.removed_at.is_(None)
    )
    low, high = Conversation.user_low_id, Conversation.user_high_id
    lows, highs = select(low, high).where(low.in_(user_ids)), select(high, low).where(high.in_(user_ids))
    return {(user_id, other) for user_id, other in db.session.execute(contacts.union(lows, highs))}


def _tell_each_other(user_id: int, other_id: int, *, online: bool) -> None:
    """Who is offline looks offline anyway; who does not watch is told nothing."""
    if other_id not in watched(user_id):
        return
    for seen, watcher in ((user_id, other_id), (other_id, user_id)):
        if presence.is_online(seen):
            bus.publish(PresenceChanged(user_id=seen, online=online), bus.user_room(watcher))


def _blocked_with(user_id: int) -> set[int]:
    """Everybody on either side of a block with the user."""
    return {other for _, other in _blocked_pairs([user_id])}


def _blocked_pairs(user_ids: Collection[int]) -> set[tuple[int, int]]:
    """Each of the users with everybody on either side of a block with him."""
    either = or_(Block.user_id.in_(user_ids), Block.blocked_id.in_(user_ids))
    rows = db.session.execute(select(Block.user_id, Block.blocked_id).where(Block.removed_at.is_(None), either))
    return {pair for one, other in rows for pair in ((one, other), (other, one)) if pair[0] in user_ids}


def _set_last_seen(session: Session, user_ids: list[int], moment: object) -> None:
    session.execute(update(User).where(User.id.in_(user_ids)).values(last_seen_at=moment))
