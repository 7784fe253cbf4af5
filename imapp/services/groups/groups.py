"""Groups: create, read, change settings, transfer ownership, dissolve."""

from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from imapp.clock import now
from imapp.cluster import limits
from imapp.database.transactions import atomic
from imapp.errors import GroupFullError, InvalidInputError, NotFoundError, RecipientGoneError
from imapp.events import GroupCreated, GroupDissolved, GroupUpdated, MemberUpdated
from imapp.extensions import db, settings
from imapp.models.conversations import Conversation, ConversationMember
from imapp.models.groups import Group
from imapp.models.users import User
from imapp.schemas.groups import CreatedGroup, GroupIn, GroupOut, GroupPatch, GroupView
from imapp.services.groups import consent, group_links, join_requests
from imapp.services.groups.group_change import GroupChange, change_group, group_out
from imapp.services.messaging import quotas

#: Maximum number of members named in the first timeline line of a new group; the list of members has all of them.
_NAMED_MEMBERS = 20


def create(actor_id: int, body: GroupIn) -> CreatedGroup:
    """Create a group owned by the actor.

    Raises NotFoundError for an unknown user, BlockedError if one of the users has blocked the actor, GroupFullError,
    InvalidInputError for a limit above the server's, RateLimitedError, TooManyGroupsError, TooManyConversationsError.
    """
    _check_limit(body.member_limit)
    limits.hit("groups_created_per_user", actor_id)
    if body.member_ids:
        limits.hit("members_added_per_user", actor_id, uses=len(body.member_ids))
    quotas.require_room_for_group(actor_id)
    change, invited = atomic(_create, actor_id, body)
    change.publish()
    return CreatedGroup(**group_out(change.group).model_dump(), invited=invited)


def get(actor_id: int, group_id: int, token: str | None = None) -> GroupView:
    """Return a group. Only members see its announcement, their role and their mute.

    Invited users, users with its link and, if the group is open, all users get the group without these. Raises
    NotFoundError for other users, so that groups cannot be found by trying ids.
    """
    key = (group_id, actor_id)
    group = db.session.get(Group, group_id, populate_existing=True)
    member = db.session.get(ConversationMember, key, populate_existing=True)
    if group is None:
        raise NotFoundError
    shown = group_out(group).model_dump()
    if member is not None and member.left_at is None:
        return GroupView(**shown, my_role=member.role, my_muted_until=member.muted_until)
    if not group_links.shows(group, token) and not join_requests.is_invited(db.session(), actor_id, group_id):
        raise NotFoundError
    return GroupView(**{**shown, "announcement": ""}, my_role=None, my_muted_until=None)


def update_settings(actor_id: int, group_id: int, body: GroupPatch) -> GroupOut:
    """Change a group's settings; raises NotAMemberError, RoleRequiredError, GroupDissolvedError, InvalidInputError."""
    wanted = body.model_dump(exclude_unset=True)
    _check_limit(wanted.get("member_limit"))
    return change_group(_update, actor_id, group_id, wanted)


def transfer(actor_id: int, group_id: int, user_id: int) -> GroupOut:
    """Transfer the ownership to another member; the former owner becomes an admin.

    Raises NotFoundError, RoleRequiredError, RecipientGoneError.
    """
    return change_group(_transfer, actor_id, group_id, user_id)


def dissolve(actor_id: int, group_id: int) -> GroupOut:
    """Dissolve a group; its members keep its history. Raises RoleRequiredError, GroupDissolvedError."""
    return change_group(_dissolve, actor_id, group_id)


def _check_limit(wanted: int | None) -> None:
    if wanted is not None and wanted > settings.group_member_limit:
        raise _limit_error(f"This server allows {settings.group_member_limit} members.")


def _limit_error(message: str) -> InvalidInputError:
    return InvalidInputError(fields=[{"field": "member_limit", "message": message}])


def _create(session: Session, actor_id: int, body: GroupIn) -> tuple[GroupChange, list[int]]:
    others = set(body.member_ids) - {actor_id}
    limit = body.member_limit or settings.group_member_limit
    if len(others) >= limit:
        raise GroupFullError
    consent.require_addable(session, {actor_id}, others)
    asked = consent.strangers(session, {actor_id}, others)
    change = GroupChange(session, actor_id, *_insert(session, actor_id, body, limit))
    members = change.enrol({actor_id, *others} - asked)
    session.execute(
        update(ConversationMember)
        .where(ConversationMember.conversation_id == change.group.id, ConversationMember.user_id == actor_id)
        .values(role="owner")
    )
    event = GroupCreated(conversation_id=change.group.id, actor_id=actor_id, group=group_out(change.group))
    change.record(event, members)
    named = [user_id for user_id in members if user_id != actor_id][:_NAMED_MEMBERS]
    change.line(GroupCreated, name=body.name, user_ids=named, member_count=len(members))
    return change, join_requests.invite(change, asked)


def _insert(session: Session, actor_id: int, body: GroupIn, limit: int) -> tuple[Conversation, Group]:
    moment = now()
    conversation = Conversation(type="group", last_seq=0, last_change=0, active_at=moment, created_at=moment)
    session.add(conversation)
    session.flush()
    numbers = {"id": conversation.id, "owner_id": actor_id, "member_count": 0, "member_limit": limit}
    chosen = body.model_dump(exclude={"member_ids", "member_limit"})
    group = Group(**numbers, **chosen, is_muted_all=False, dissolved_at=None, created_at=moment)
    session.add(group)
    session.flush()
    return conversation, group


def _update(change: GroupChange, wanted: dict[str, Any]) -> GroupOut:
    change.require_admin()
    group = change.group
    if wanted.get("member_limit", group.member_count) < group.member_count:
        raise _limit_error(f"The group has {group.member_count} members.")
    changed = {name: value for name, value in wanted.items() if getattr(group, name) != value}
    for name, value in changed.items():
        setattr(group, name, value)
    if changed:
        _tell_update(change, changes=changed)
    return group_out(group)


def _tell_update(change: GroupChange, **facts: object) -> None:
    shown = group_out(change.group)
    change.record(GroupUpdated(conversation_id=shown.id, actor_id=change.actor_id, group=shown))
    change.line(GroupUpdated, **facts)


def _transfer(change: GroupChange, user_id: int) -> GroupOut:
    owner, heir = change.require_owner(), change.require_target(user_id)
    if heir is owner:
        return group_out(change.group)
    # Locks the account, in case it is being erased now.
    if change.session.get_one(User, user_id, with_for_update=True).disabled_at is not None:
        raise RecipientGoneError("This account has been closed. It cannot own a group.")
    owner.role, heir.role = "admin", "owner"
    heir.muted_until = None
    change.group.owner_id = user_id
    change.touch_staff(owner, heir)
    for member in (owner, heir):
        record_member(change, member)
    _tell_update(change, changes={"owner_id": user_id})
    return group_out(change.group)


def record_member(change: GroupChange, member: ConversationMember) -> None:
    """Number and push the member's current role and mute; the caller has touched the row. Part of a change."""
    facts = {"user_id": member.user_id, "role": member.role, "muted_until": member.muted_until}
    change.record(MemberUpdated(conversation_id=change.group.id, actor_id=change.actor_id, **facts), [member.user_id])


def _dissolve(change: GroupChange) -> GroupOut:
    change.require_owner()
    change.group.dissolved_at = now()
    join_requests.cancel_all(change)
    shown = group_out(change.group)
    change.record(GroupDissolved(conversation_id=shown.id, actor_id=change.actor_id, group=shown))
    change.line(GroupDissolved)
    return shown
