"""Bans: a removed member is banned from the group until its owner or an admin lifts the ban or adds the user again.

A ban is stored as the standing of an ended membership. Owner and admins see bans in `sync` and receive pushed changes.
"""

from sqlalchemy import select

from imapp.errors import NotFoundError, RoleRequiredError
from imapp.events import BanCreated, BanLifted
from imapp.extensions import db
from imapp.models.conversations import KICKED, LIFTED, ConversationMember
from imapp.models.users import User
from imapp.schemas.base import Page
from imapp.schemas.groups import BanOut, BansQuery
from imapp.schemas.users import UserOut
from imapp.services.groups.group_change import GroupChange, change_group
from imapp.services.messaging.membership import require_membership
from imapp.services.paging import numbered
from imapp.services.write_path.permissions import ADMINS


def list_bans(actor_id: int, group_id: int, query: BansQuery) -> Page[BanOut]:
    """Return a page of a group's bans in the order of user ids; raises NotAMemberError, RoleRequiredError."""
    if require_membership(actor_id, group_id).role not in ADMINS:
        raise RoleRequiredError
    return page(group_id, query)


def page(group_id: int, query: BansQuery) -> Page[BanOut]:
    """Return a page of a group's bans; the caller has checked that the actor is owner or admin."""
    member = ConversationMember
    banned = member.conversation_id == group_id, member.standing == KICKED, member.left_at.is_not(None)
    wanted = select(member, User).join(User, User.id == member.user_id).where(*banned)
    wanted = numbered(wanted, member.user_id, query.cursor, query.limit)
    found = db.session.execute(wanted, execution_options={"populate_existing": True}).tuples()
    items = [_ban_out(row, user) for row, user in found]
    return Page[BanOut].of(items, query.limit, lambda item: item.user_id)


def lift(actor_id: int, group_id: int, user_id: int) -> BanOut:
    """End a ban; raises NotAMemberError, RoleRequiredError, GroupDissolvedError, NotFoundError for an unbanned user."""
    return change_group(_lift, actor_id, group_id, user_id)


def tell(change: GroupChange, event: type[BanCreated | BanLifted], user_ids: set[int]) -> list[BanOut]:
    """Push created or lifted bans to owner and admins, and return them. Part of a change."""
    change.session.flush()
    found = change.session.execute(
        select(ConversationMember, User)
        .join(User, User.id == ConversationMember.user_id)
        .where(ConversationMember.conversation_id == change.group.id, ConversationMember.user_id.in_(user_ids))
        .order_by(User.id)
    )
    shown = [_ban_out(member, user) for member, user in found]
    for one in shown:
        change.tell_staff(event(ban=one))
    return shown


def lift_all(change: GroupChange, user_ids: set[int]) -> None:
    """Lift the bans of these users, if any. Part of a change by owner or admin."""
    banned = change.ended_among(user_ids, KICKED)
    for user_id in banned:
        change.session.get_one(ConversationMember, (change.group.id, user_id)).standing = LIFTED
    tell(change, BanLifted, banned)


def _lift(change: GroupChange, user_id: int) -> BanOut:
    change.require_admin()
    if user_id not in change.ended_among({user_id}, KICKED):
        raise NotFoundError("This user is not banned from the group.")
    member = change.session.get_one(ConversationMember, (change.group.id, user_id))
    member.standing = LIFTED
    return tell(change, BanLifted, {user_id})[0]


def _ban_out(member: ConversationMember, user: User) -> BanOut:
    facts = {"group_id": member.conversation_id, "user_id": user.id, "banned_at": member.left_at}
    return BanOut.model_validate({**facts, "user": UserOut.model_validate(user)})
