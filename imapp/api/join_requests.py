"""Requests to join groups over REST."""

from flask import Blueprint

from imapp.api.http.endpoint import endpoint
from imapp.errors import (
    BlockedError,
    GroupDissolvedError,
    GroupFullError,
    NotAMemberError,
    NotFoundError,
    RequestHandledError,
    RoleRequiredError,
    TooManyConversationsError,
)
from imapp.schemas.base import Page
from imapp.schemas.groups import JoinRequestOut, JoinRequestsQuery
from imapp.services.accounts.authentication import Actor
from imapp.services.groups import join_requests

bp = Blueprint("join_requests", __name__, url_prefix="/api")

_REFUSALS = [NotAMemberError, RoleRequiredError, RequestHandledError, GroupDissolvedError]


@bp.get("/join-requests")
@endpoint()
def list_my_requests(actor: Actor, query: JoinRequestsQuery) -> Page[JoinRequestOut]:
    """List the caller's requests to join groups, or with status=invited their invitations, the oldest first."""
    return join_requests.list_mine(actor.user_id, query)


@bp.get("/groups/<id:group_id>/join-requests")
@endpoint(errors=[NotAMemberError, RoleRequiredError])
def list_requests(actor: Actor, group_id: int, query: JoinRequestsQuery) -> Page[JoinRequestOut]:
    """List the requests to join a group, or with status=invited its invitations. Only for owner and admins."""
    return join_requests.list_requests(actor.user_id, group_id, query)


@bp.post("/groups/<id:group_id>/join-requests/<id:user_id>/accept")
@endpoint(errors=[*_REFUSALS, BlockedError, GroupFullError])
def accept_request(actor: Actor, group_id: int, user_id: int) -> JoinRequestOut:
    """Accept a request. Only for owner and admins. A user that a member proposed may be invited instead."""
    return join_requests.accept(actor.user_id, group_id, user_id)


@bp.post("/groups/<id:group_id>/join-requests/<id:user_id>/reject")
@endpoint(errors=_REFUSALS)
def reject_request(actor: Actor, group_id: int, user_id: int) -> JoinRequestOut:
    """Reject a request, or withdraw an invitation. Only for owner and admins."""
    return join_requests.reject(actor.user_id, group_id, user_id)


@bp.post("/groups/<id:group_id>/join-requests/cancel")
@endpoint(errors=[RequestHandledError])
def cancel_request(actor: Actor, group_id: int) -> JoinRequestOut:
    """Cancel the caller's request to join a group, or decline its invitation."""
    return join_requests.cancel(actor.user_id, group_id)


@bp.post("/groups/<id:group_id>/invitation/accept")
@endpoint(errors=[NotFoundError, RequestHandledError, GroupFullError, TooManyConversationsError])
def accept_invitation(actor: Actor, group_id: int) -> JoinRequestOut:
    """Accept an invitation and become a member of the group."""
    return join_requests.accept_invitation(actor.user_id, group_id)


@bp.post("/groups/<id:group_id>/invitation/decline")
@endpoint(errors=[NotFoundError, RequestHandledError])
def decline_invitation(actor: Actor, group_id: int) -> JoinRequestOut:
    """Decline an invitation: the group cannot invite the caller again for 7 days."""
    return join_requests.decline(actor.user_id, group_id)
