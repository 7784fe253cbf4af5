"""Members of a group: list, add, join, leave, remove, roles, mute."""

from datetime import datetime

from sqlalchemy import select

from imapp.clock import now
from imapp.cluster import limits
from imapp.errors import (
    InvalidInputError,
    JoinBannedError,
    JoinNotAllowedError,
    NotFoundError,
    OwnerMustTransferError,
    RoleRequiredError,
)
from imapp.events import BanCreated, MemberUpdated
from imapp.extensions import db, settings
from imapp.models.conversations import KICKED, ConversationMember
from imapp.models.groups import Group
from imapp.models.users import User
from imapp.schemas.base import Page, rfc3339
from imapp.schemas.groups import JoinAnswer, JoinIn, MemberOut, MembersAnswer, MembersQuery, RoleIn
from imapp.schemas.users import UserOut
from imapp.services.groups import bans, consent, group_links, join_requests
from imapp.services.groups.group_change import GroupChange, change_group, group_out
from imapp.services.groups.groups import record_member
from imapp.services.messaging import quotas
from imapp.services.messaging.membership import require_membership
from imapp.services.paging import numbered
from imapp.services.write_path.permissions import ADMINS


def list_members(actor_id: int, group_id: int, query: MembersQuery) -> Page[MemberOut]:
    """Return a page of the members, in the order of their ids; raises NotAMemberError, NotFoundError."""
    require_membership(actor_id, group_id)
    group = db.session.get(Group, group_id, populate_existing=True)
    if group is None:
        raise NotFoundError
    shows_marks = group.member_count <= settings.group_receipts_max_members
    wanted = select(ConversationMember, User).join(User, User.id == ConversationMember.user_id)
    wanted = wanted.where(ConversationMember.conversation_id == group_id, ConversationMember.left_at.is_(None))
    if query.role is not None:
        wanted = wanted.where(ConversationMember.role == query.role)
    wanted = numbered(wanted, ConversationMember.user_id, query.cursor, query.limit)
    found = db.session.execute(wanted, execution_options={"populate_existing": True}).tuples()
    items = [
        MemberOut(
            user_id=member.user_id,
            user=UserOut.model_validate(user),
            role=member.role,
            muted_until=member.muted_until,
            joined_at=member.joined_at,
            read_seq=member.read_seq if shows_marks else None,
        )
        for member, user in found
    ]
    return Page[MemberOut].of(items, query.limit, lambda item: item.user_id)


def add(actor_id: int, group_id: int, user_ids: list[int]) -> MembersAnswer:
    """Add users to a group; invite the users that must be asked first.

    If the actor may not add members, all users are proposed to owner and admins. Raises NotAMemberError,
    RoleRequiredError, NotFoundError for an unknown user, BlockedError if one of the users has blocked the actor,
    JoinBannedError, GroupFullError, GroupDissolvedError, RateLimitedError.
    """
    limits.hit("members_added_per_user", actor_id, uses=len(user_ids))
    return change_group(_add, actor_id, group_id, set(user_ids))


def join(actor_id: int, group_id: int, body: JoinIn) -> JoinAnswer:
    """Make the actor a member, or create a join request.

    Raises NotFoundError, also for a group that the actor may not see, JoinNotAllowedError, JoinBannedError,
    GroupFullError, TooManyConversationsError.
    """
    quotas.require_room_for_conversation(actor_id)
    return change_group(_join, actor_id, group_id, body)


def leave(actor_id: int, group_id: int) -> None:
    """Leave a group; raises NotAMemberError, and OwnerMustTransferError for the owner of an undissolved group."""
    change_group(_leave, actor_id, group_id)


def remove(actor_id: int, group_id: int, user_id: int) -> None:
    """Remove a member of lower rank; raises RoleRequiredError, NotFoundError. The actor's own id: same as `leave`."""
    if user_id == actor_id:
        leave(actor_id, group_id)
    else:
        change_group(_kick, actor_id, group_id, user_id)


def set_role(actor_id: int, group_id: int, user_id: int, body: RoleIn) -> None:
    """Set a member's role, admin or member; raises RoleRequiredError unless the actor is the owner, NotFoundError."""
    change_group(_set_role, actor_id, group_id, user_id, body.role)


def mute(actor_id: int, group_id: int, user_id: int, until: datetime) -> None:
    """Mute a member of lower rank until a time; raises RoleRequiredError, NotFoundError, InvalidInputError."""
    if until <= now():
        raise InvalidInputError(fields=[{"field": "until", "message": "must be in the future"}])
    cut = until.replace(microsecond=until.microsecond // 1000 * 1000)
    change_group(_mute, actor_id, group_id, user_id, cut)


def unmute(actor_id: int, group_id: int, user_id: int) -> None:
    """Allow a muted member to write again; raises RoleRequiredError, NotFoundError."""
    change_group(_mute, actor_id, group_id, user_id, None)


def _add(change: GroupChange, user_ids: set[int]) -> MembersAnswer:
    actor = change.require_actor()
    change.require_alive()
    may_add = actor.role in ADMINS or change.group.join_policy == "open"
    if not may_add and change.group.join_policy == "invitation":
        raise RoleRequiredError("Only owner and admins may add members to this group.")
    consent.require_addable(change.session, {change.actor_id}, user_ids)
    if actor.role in ADMINS:
        bans.lift_all(change, user_ids)
    elif change.ended_among(user_ids, KICKED):
        raise JoinBannedError
    asked = consent.to_ask(change, {change.actor_id}, user_ids) if may_add else set()
    return MembersAnswer(
        added=_enter(change, user_ids - asked) if may_add else [],
        invited=join_requests.invite(change, asked),
        requested=[] if may_add else join_requests.propose(change, user_ids),
        member_count=change.group.member_count,
    )


def _join(change: GroupChange, body: JoinIn) -> JoinAnswer:
    if not _may_enter(change, body.token):
        return JoinAnswer(status="pending", request=join_requests.ask(change, body.message))
    _enter(change, {change.actor_id})
    return JoinAnswer(status="member", group=group_out(change.group))


def _may_enter(change: GroupChange, token: str | None) -> bool:
    """Return whether the actor becomes a member at once, without a join request; raises the errors of `join`."""
    if change.find_member(change.actor_id) is not None:
        change.require_alive()
        return True
    if change.ended_among({change.actor_id}, KICKED):
        raise JoinBannedError
    if join_requests.is_invited(change.session, change.actor_id, change.group.id):
        return True
    if not group_links.shows(change.group, token):
        raise NotFoundError
    if change.group.join_policy == "invitation":
        raise JoinNotAllowedError
    return change.group.join_policy == "open"


def _enter(change: GroupChange, user_ids: set[int]) -> list[int]:
    """Make users members and accept their pending join requests; return the users that were not members before."""
    added = change.add(user_ids)
    join_requests.accept_all(change, added)
    return added


def _leave(change: GroupChange) -> None:
    actor = change.require_actor()
    if actor.role == "owner" and change.group.dissolved_at is None:
        raise OwnerMustTransferError
    change.remove(actor, "left")


def _kick(change: GroupChange, user_id: int) -> None:
    change.remove(change.require_below(user_id), "kicked")
    bans.tell(change, BanCreated, {user_id})


def _set_role(change: GroupChange, user_id: int, role: str) -> None:
    owner, member = change.require_owner(), change.require_target(user_id)
    if member is owner:
        raise OwnerMustTransferError("Transfer the ownership instead.")
    if member.role != role:
        member.role = role
        change.touch_staff(member)
        _tell(change, member, role=role)


def _mute(change: GroupChange, user_id: int, until: datetime | None) -> None:
    member = change.require_below(user_id)
    if member.muted_until != until:
        member.muted_until = until
        change.touch(member)
        _tell(change, member, muted_until=None if until is None else rfc3339(until))


def _tell(change: GroupChange, member: ConversationMember, **facts: str | None) -> None:
    record_member(change, member)
    change.line(MemberUpdated, user_id=member.user_id, **facts)
