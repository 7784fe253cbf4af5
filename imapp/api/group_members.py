"""Members of groups over REST."""

from flask import Blueprint

from imapp.api.http.endpoint import endpoint
from imapp.errors import (
    BlockedError,
    GroupDissolvedError,
    GroupFullError,
    JoinBannedError,
    JoinNotAllowedError,
    NotAMemberError,
    NotFoundError,
    OwnerMustTransferError,
    RateLimitedError,
    RoleRequiredError,
    TooManyConversationsError,
)
from imapp.schemas.base import Page
from imapp.schemas.groups import (
    BanOut,
    BansQuery,
    InviteIn,
    JoinAnswer,
    JoinIn,
    MemberOut,
    MembersAnswer,
    MembersQuery,
    MuteIn,
    RoleIn,
)
from imapp.services.accounts.authentication import Actor
from imapp.services.groups import bans, group_members

bp = Blueprint("group_members", __name__, url_prefix="/api/groups/<id:group_id>")

_REFUSALS = [NotAMemberError, RoleRequiredError, GroupDissolvedError]


@bp.get("/members")
@endpoint(errors=[NotAMemberError])
def list_members(actor: Actor, group_id: int, query: MembersQuery) -> Page[MemberOut]:
    """List the members of a group that the caller belongs to."""
    return group_members.list_members(actor.user_id, group_id, query)


@bp.post("/members")
@endpoint(errors=[*_REFUSALS, BlockedError, GroupFullError, JoinBannedError, RateLimitedError])
def add_members(actor: Actor, group_id: int, body: InviteIn) -> MembersAnswer:
    """Add users to a group, or invite them. If the policy is approval, plain members propose them to the admins."""
    return group_members.add(actor.user_id, group_id, body.user_ids)


@bp.delete("/members/<id:user_id>")
@endpoint(errors=[*_REFUSALS, OwnerMustTransferError])
def remove_member(actor: Actor, group_id: int, user_id: int) -> None:
    """Remove and ban a member: the owner may remove anybody, admins plain members. With the caller's own id, leave."""
    group_members.remove(actor.user_id, group_id, user_id)


@bp.put("/members/<id:user_id>/role")
@endpoint(errors=[*_REFUSALS, OwnerMustTransferError])
def set_role(actor: Actor, group_id: int, user_id: int, body: RoleIn) -> None:
    """Make a member an admin, or an admin a plain member. Only for the owner."""
    group_members.set_role(actor.user_id, group_id, user_id, body)


@bp.put("/members/<id:user_id>/mute")
@endpoint(errors=_REFUSALS)
def mute_member(actor: Actor, group_id: int, user_id: int, body: MuteIn) -> None:
    """Let a member only read until a time: the owner may mute anybody, admins plain members."""
    group_members.mute(actor.user_id, group_id, user_id, body.until)


@bp.delete("/members/<id:user_id>/mute")
@endpoint(errors=_REFUSALS)
def unmute_member(actor: Actor, group_id: int, user_id: int) -> None:
    """Let a muted member write again."""
    group_members.unmute(actor.user_id, group_id, user_id)


@bp.post("/join")
@endpoint(errors=[JoinBannedError, JoinNotAllowedError, GroupFullError, NotFoundError, TooManyConversationsError])
def join_group(actor: Actor, group_id: int, body: JoinIn) -> JoinAnswer:
    """Join an open group, or one that invited the caller. With its link, request to join a group by approval."""
    return group_members.join(actor.user_id, group_id, body)


@bp.post("/leave")
@endpoint(errors=[NotAMemberError, OwnerMustTransferError])
def leave_group(actor: Actor, group_id: int) -> None:
    """Leave a group; its owner must transfer or dissolve it first."""
    group_members.leave(actor.user_id, group_id)


@bp.get("/bans")
@endpoint(errors=[NotAMemberError, RoleRequiredError])
def list_bans(actor: Actor, group_id: int, query: BansQuery) -> Page[BanOut]:
    """List the users that are banned from the group. Only for owner and admins."""
    return bans.list_bans(actor.user_id, group_id, query)


@bp.delete("/bans/<id:user_id>")
@endpoint(errors=[*_REFUSALS, NotFoundError])
def lift_ban(actor: Actor, group_id: int, user_id: int) -> None:
    """Lift a ban: the user may join again as the group's policy allows. Only for owner and admins."""
    bans.lift(actor.user_id, group_id, user_id)
