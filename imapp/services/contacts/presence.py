"""Presence: which users are notified when a user comes online or goes offline, and which users may query it.

A user is watched by their contacts, and by the other sides of private conversations in which both have written.
Members of a common group with at most IM_PRESENCE_GROUP_MAX_MEMBERS members may query it. A block, in either
direction, hides two users from each other.
"""

from collections.abc import Collection

from sqlalchemy import or_, select, update
from sqlalchemy.orm import aliased

from imapp.clock import now
from imapp.cluster.bus import bus
from imapp.cluster.registry import presence
from imapp.database.transactions import atomic
from imapp.events import PresenceChanged
from imapp.extensions import db, settings
from imapp.models.contacts import Block, Contact
from imapp.models.conversations import BOTH_WROTE, Conversation, ConversationMember
from imapp.models.groups import Group
from imapp.models.users import User

#: Maximum number of reads of the current presence after a change. Further changes are reported on their own, so a user
#: that connects and disconnects all the time cannot keep `changed` from ending.
_MAX_READS = 3


def changed(changes: dict[int, bool]) -> None:
    """Notify the watchers of users that came online (True) or went offline; store when the latter were last seen.

    The pushed state is the current one, and it is read again after the push: while this node was busy, another node
    may have pushed the opposite.
    Takes some hundred users at most, with the same few queries for any number. Raises what the database raises.
    """
    moment = now()
    gone = [user_id for user_id, is_online in changes.items() if not is_online]
    if gone:
        seen = update(User).where(User.id.in_(gone)).values(last_seen_at=moment)
        atomic(lambda session: session.execute(seen))
    watches = _watches(changes) - _blocked_pairs(changes)
    told: dict[int, bool] = {}
    for _ in range(_MAX_READS):
        online = presence.cluster().online_among(list(changes))
        news = {user_id: user_id in online for user_id in changes if told.get(user_id) != (user_id in online)}
        if not news:
            break
        for user_id, watcher in watches:
            if user_id in news:
                last_seen_at = None if news[user_id] else moment
                event = PresenceChanged(user_id=user_id, online=news[user_id], last_seen_at=last_seen_at)
                bus.publish(event, bus.user_room(watcher))
        told |= news


def online_users(actor_id: int, user_ids: list[int] | None) -> list[int]:
    """Return the users online among `user_ids`, or among the watched users; only those visible to the actor."""
    asked = user_ids if user_ids is not None else watched(actor_id)
    found = presence.cluster().online_among(asked)
    if not found:
        return []
    visible = found & {actor_id, *watched(actor_id)}  # users can always see their own presence
    if found - visible:
        visible |= _in_common_groups(actor_id, found - visible)
    visible -= _blocked_with(actor_id)
    return [user_id for user_id in asked if user_id in visible]


def _in_common_groups(actor_id: int, user_ids: set[int]) -> set[int]:
    own, other = aliased(ConversationMember), aliased(ConversationMember)
    common = (
        select(other.user_id)
        .join(own, own.conversation_id == other.conversation_id)
        .join(Group, Group.id == own.conversation_id)
        .where(Group.member_count <= settings.presence_group_max_members, Group.dissolved_at.is_(None))
        .where(own.user_id == actor_id, own.left_at.is_(None), other.user_id.in_(user_ids), other.left_at.is_(None))
    )
    return set(db.session.scalars(common.distinct()))


def reveal(user_id: int, other_id: int) -> None:
    """Push to each of two users, now visible to each other, whether the other is online."""
    if other_id not in _blocked_with(user_id):
        _tell_each_other(user_id, other_id, online=True)


def conceal(user_id: int, other_id: int) -> None:
    """Push to each of two users, no longer visible to each other, that the other is offline."""
    _tell_each_other(user_id, other_id, online=False)


def watched(user_id: int) -> list[int]:
    """Return the contacts, and the peers of private conversations in which both have written. It is mutual."""
    return sorted(other for _, other in _watches([user_id]))


def _watches(user_ids: Collection[int]) -> set[tuple[int, int]]:
    """Return (user, watcher) pairs."""
    contacts = select(Contact.user_id, Contact.contact_id).where(
        Contact.user_id.in_(user_ids), Contact.removed_at.is_(None)
    )
    low, high = Conversation.user_low_id, Conversation.user_high_id
    both = Conversation.voices == BOTH_WROTE
    lows, highs = select(low, high).where(low.in_(user_ids), both), select(high, low).where(high.in_(user_ids), both)
    return {(user_id, other) for user_id, other in db.session.execute(contacts.union(lows, highs))}


def _tell_each_other(user_id: int, other_id: int, *, online: bool) -> None:
    """Push to each user, if they watch each other. Nothing is pushed about offline users: they look offline anyway."""
    if other_id not in watched(user_id):
        return
    for seen, watcher in ((user_id, other_id), (other_id, user_id)):
        if seen in presence.cluster().online_among([seen]):
            bus.publish(PresenceChanged(user_id=seen, online=online), bus.user_room(watcher))


def _blocked_with(user_id: int) -> set[int]:
    """Return all users that have blocked the user or are blocked by the user."""
    return {other for _, other in _blocked_pairs([user_id])}


def _blocked_pairs(user_ids: Collection[int]) -> set[tuple[int, int]]:
    """Return (user, other) for each block, in either direction, between one of the users and another user."""
    either = or_(Block.user_id.in_(user_ids), Block.blocked_id.in_(user_ids))
    rows = db.session.execute(select(Block.user_id, Block.blocked_id).where(Block.removed_at.is_(None), either))
    return {pair for one, other in rows for pair in ((one, other), (other, one)) if pair[0] in user_ids}
