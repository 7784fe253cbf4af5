"""Groups over REST."""

from flask import Blueprint

from imapp.api.http.endpoint import endpoint
from imapp.errors import (
    BlockedError,
    GroupDissolvedError,
    GroupFullError,
    NotAMemberError,
    NotFoundError,
    RateLimitedError,
    RecipientGoneError,
    RoleRequiredError,
    TooManyConversationsError,
    TooManyGroupsError,
)
from imapp.schemas.groups import CreatedGroup, GroupIn, GroupOut, GroupPatch, GroupQuery, GroupView, LinkOut, TransferIn
from imapp.services.accounts.authentication import Actor
from imapp.services.groups import group_links, groups

bp = Blueprint("groups", __name__, url_prefix="/api/groups")

_REFUSALS = [NotAMemberError, RoleRequiredError, GroupDissolvedError]


@bp.post("")
@endpoint(
    201,
    errors=[BlockedError, GroupFullError, RateLimitedError, TooManyConversationsError, TooManyGroupsError],
    is_large=True,
    location="/api/groups/{id}",
)
def create_group(actor: Actor, body: GroupIn) -> CreatedGroup:
    """Create a group with its first members; the caller becomes its owner."""
    return groups.create(actor.user_id, body)


@bp.get("/<id:group_id>")
@endpoint(errors=[NotFoundError])
def get_group(actor: Actor, group_id: int, query: GroupQuery) -> GroupView:
    """Read a group. Users outside the group see its card by invitation, by its link, or if it is open."""
    return groups.get(actor.user_id, group_id, query.token)


@bp.get("/<id:group_id>/link")
@endpoint(errors=[NotAMemberError, NotFoundError, RoleRequiredError])
def read_link(actor: Actor, group_id: int) -> LinkOut:
    """Read the invitation link. Only for owner and admins."""
    return group_links.read(actor.user_id, group_id)


@bp.put("/<id:group_id>/link")
@endpoint(errors=_REFUSALS)
def renew_link(actor: Actor, group_id: int) -> LinkOut:
    """Create an invitation link, which revokes the previous one. Only for owner and admins."""
    return group_links.renew(actor.user_id, group_id)


@bp.delete("/<id:group_id>/link")
@endpoint(errors=_REFUSALS)
def revoke_link(actor: Actor, group_id: int) -> None:
    """Revoke the invitation link. Only for owner and admins."""
    group_links.revoke(actor.user_id, group_id)


@bp.patch("/<id:group_id>")
@endpoint(errors=_REFUSALS, is_large=True)
def update_group(actor: Actor, group_id: int, body: GroupPatch) -> GroupOut:
    """Change settings of a group. Only for owner and admins."""
    return groups.update_settings(actor.user_id, group_id, body)


@bp.post("/<id:group_id>/transfer")
@endpoint(errors=[*_REFUSALS, RecipientGoneError])
def transfer_group(actor: Actor, group_id: int, body: TransferIn) -> GroupOut:
    """Transfer the caller's group to another member; the caller stays as an admin."""
    return groups.transfer(actor.user_id, group_id, body.user_id)


@bp.delete("/<id:group_id>")
@endpoint(errors=_REFUSALS)
def dissolve_group(actor: Actor, group_id: int) -> GroupOut:
    """Dissolve the caller's group: its members keep the history, but nobody can write to it."""
    return groups.dissolve(actor.user_id, group_id)
