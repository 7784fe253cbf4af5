"""Groups over REST."""

from flask import Blueprint

from imapp.api.contract import endpoint
from imapp.errors import (
    BlockedError,
    GroupDissolvedError,
    GroupFullError,
    NotAMemberError,
    RecipientGoneError,
    RoleRequiredError,
)
from imapp.schemas.groups import GroupIn, GroupOut, GroupPatch, GroupView, TransferIn
from imapp.services import groups
from imapp.services.access import Actor

bp = Blueprint("groups", __name__, url_prefix="/api/groups")

_REFUSALS = [NotAMemberError, RoleRequiredError, GroupDissolvedError]


@bp.post("")
@endpoint(201, errors=[BlockedError, GroupFullError], is_large=True, location="/api/groups/{id}")
def create_group(actor: Actor, body: GroupIn) -> GroupOut:
    """Create a group with its first members; I own it."""
    return groups.create(actor.user_id, body)


@bp.get("/<id:group_id>")
@endpoint()
def get_group(actor: Actor, group_id: int) -> GroupView:
    """Read a group; who is not a member sees what it takes to decide about joining."""
    return groups.get(actor.user_id, group_id)


@bp.patch("/<id:group_id>")
@endpoint(errors=_REFUSALS, is_large=True)
def update_group(actor: Actor, group_id: int, body: GroupPatch) -> GroupOut:
    """Change settings of a group; owner and admins may."""
    return groups.update_settings(actor.user_id, group_id, body)


@bp.post("/<id:group_id>/transfer")
@endpoint(errors=[*_REFUSALS, RecipientGoneError])
def transfer_group(actor: Actor, group_id: int, body: TransferIn) -> GroupOut:
    """Give my group to another member; I stay as an admin."""
    return groups.transfer(actor.user_id, group_id, body.user_id)


@bp.delete("/<id:group_id>")
@endpoint(errors=_REFUSALS)
def dissolve_group(actor: Actor, group_id: int) -> GroupOut:
    """Dissolve my group: its members keep the history, nobody writes any more."""
    return groups.dissolve(actor.user_id, group_id)
