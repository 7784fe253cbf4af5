"""Management of accounts by operators, over REST: invitations, approvals, passwords."""

from flask import Blueprint

from imapp.api.http.caller import current_client
from imapp.api.http.endpoint import endpoint
from imapp.errors import (
    ForbiddenError,
    NotFoundError,
    OwnAccountError,
    SecondFactorEnrolmentRequiredError,
    SecondFactorRequiredError,
    WeakPasswordError,
)
from imapp.schemas.administration import PasswordOut, SetPasswordIn
from imapp.schemas.base import Page
from imapp.schemas.invitations import InvitationIn, InvitationOut, NewInvitationOut
from imapp.services.accounts import account_administration, invitations
from imapp.services.accounts.authentication import Actor

bp = Blueprint("accounts", __name__, url_prefix="/api/admin")

_NOT_ALLOWED = [ForbiddenError, SecondFactorRequiredError, SecondFactorEnrolmentRequiredError]


@bp.post("/invitations")
@endpoint(201, errors=_NOT_ALLOWED)
def invite(actor: Actor, body: InvitationIn) -> NewInvitationOut:
    """Create an invitation code for registration."""
    return invitations.invite(actor, current_client(), body)


@bp.get("/invitations")
@endpoint(errors=_NOT_ALLOWED)
def list_invitations(actor: Actor) -> Page[InvitationOut]:
    """List the valid invitations, the latest first."""
    return invitations.list_invitations(actor)


@bp.delete("/invitations/<id:invitation_id>")
@endpoint(errors=[*_NOT_ALLOWED, NotFoundError])
def revoke_invitation(actor: Actor, invitation_id: int) -> None:
    """Revoke an invitation."""
    invitations.revoke(actor, current_client(), invitation_id)


@bp.post("/users/<id:user_id>/approve")
@endpoint(errors=[*_NOT_ALLOWED, NotFoundError])
def approve_user(actor: Actor, user_id: int) -> None:
    """Approve a new account that waits for approval."""
    account_administration.approve_user(actor, current_client(), user_id)


@bp.post("/users/<id:user_id>/password")
@endpoint(errors=[*_NOT_ALLOWED, NotFoundError, OwnAccountError, WeakPasswordError])
def set_password(actor: Actor, user_id: int, body: SetPasswordIn) -> PasswordOut:
    """Set a user's password and end all the user's sessions."""
    password = account_administration.reset_password(actor, current_client(), user_id, body.password)
    return PasswordOut(password=password)
