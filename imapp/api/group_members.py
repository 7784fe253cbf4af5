"""Members of groups over REST."""

from flask import Blueprint

from imapp.api.contract import endpoint
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
from imapp.services import bans, group_members
from imapp.services.access import Actor

bp = Blueprint("group_members", __name__, url_prefix="/api/groups/<id:group_id>")

_REFUSALS = [NotAMemberError, RoleRequiredError, GroupDissolvedError]


@bp.get("/members")
@endpoint(errors=[NotAMemberError])
def list_members(actor: Actor, group_id: int, query: MembersQuery) -> Page[MemberOut]:
    """List the members of a group of mine."""
    return group_members.list_members(actor.user_id, group_id, query)


@bp.post("/members")
@endpoint(errors=[*_REFUSALS, BlockedError, GroupFullError, JoinBannedError, RateLimitedError])
def add_members(actor: Actor, group_id: int, body: InviteIn) -> MembersAnswer:
    """Add users to a group, or invite them; where the policy is approval, plain members propose them to the admins."""
    return group_members.add(actor.user_id, group_id, body.user_ids)


@bp.delete("/members/<id:user_id>")
@endpoint(errors=[*_REFUSALS, OwnerMustTransferError])
def remove_member(actor: Actor, group_id: int, user_id: int) -> None:
    """Remove a member, who is banned by it: the owner anybody, admins plain members. Or leave, by one's own id."""
    group_members.remove(actor.user_id, group_id, user_id)


@bp.put("/members/<id:user_id>/role")
@endpoint(errors=[*_REFUSALS, OwnerMustTransferError])
def set_role(actor: Actor, group_id: int, user_id: int, body: RoleIn) -> None:
    """Make a member of my group an admin, or an admin a member."""
    group_members.set_role(actor.user_id, group_id, user_id, body)


@bp.put("/members/<id:user_id>/mute")
@endpoint(errors=_REFUSALS)
def mute_member(actor: Actor, group_id: int, user_id: int, body: MuteIn) -> None:
    """Let a member only read until a time: the owner anybody, admins plain members."""
    group_members.mute(actor.user_id, group_id, user_id, body.until)


@bp.delete("/members/<id:user_id>/mute")
@endpoint(errors=_REFUSALS)
def unmute_member(actor: Actor, group_id: int, user_id: int) -> None:
    """Let a muted member write again."""
    group_members.unmute(actor.user_id, group_id, user_id)


@bp.post("/join")
@endpoint(errors=[JoinBannedError, JoinNotAllowedError, GroupFullError, NotFoundError, TooManyConversationsError])
def join_group(actor: Actor, group_id: int, body: JoinIn) -> JoinAnswer:
    """Join an open group or one that invited me; with its link, ask to join one by approval."""
    return group_members.join(actor.user_id, group_id, body)


@bp.post("/leave")
@endpoint(errors=[NotAMemberError, OwnerMustTransferError])
def leave_group(actor: Actor, group_id: int) -> None:
    """Leave a group; its owner transfers or dissolves it first."""
    group_members.leave(actor.user_id, group_id)


@bp.get("/bans")
@endpoint(errors=[NotAMemberError, RoleRequiredError])
def list_bans(actor: Actor, group_id: int, query: BansQuery) -> Page[BanOut]:
    """List the users who were removed and may not come back; owner and admins may."""
    return bans.list_bans(actor.user_id, group_id, query)


@bp.delete("/bans/<id:user_id>")
@endpoint(errors=[*_REFUSALS, NotFoundError])
def lift_ban(actor: Actor, group_id: int, user_id: int) -> None:
    """Let a removed user come back as the group's policy allows; owner and admins may."""
    bans.lift(actor.user_id, group_id, user_id)
