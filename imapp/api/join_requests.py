"""Requests to join groups over REST."""

from flask import Blueprint

from imapp.api.contract import endpoint
from imapp.errors import GroupDissolvedError, GroupFullError, NotAMemberError, RequestHandledError, RoleRequiredError
from imapp.schemas.base import Page
from imapp.schemas.groups import JoinRequestOut, JoinRequestsQuery
from imapp.services import join_requests
from imapp.services.access import Actor

bp = Blueprint("join_requests", __name__, url_prefix="/api")

_REFUSALS = [NotAMemberError, RoleRequiredError, RequestHandledError, GroupDissolvedError]


@bp.get("/join-requests")
@endpoint()
def list_my_requests(actor: Actor, query: JoinRequestsQuery) -> Page[JoinRequestOut]:
    """List my requests to join groups, the oldest first."""
    return join_requests.list_mine(actor.user_id, query)


@bp.get("/groups/<id:group_id>/join-requests")
@endpoint(errors=[NotAMemberError, RoleRequiredError])
def list_requests(actor: Actor, group_id: int, query: JoinRequestsQuery) -> Page[JoinRequestOut]:
    """List the requests to join a group, the oldest first; owner and admins may."""
    return join_requests.list_requests(actor.user_id, group_id, query)


@bp.post("/groups/<id:group_id>/join-requests/<id:user_id>/accept")
@endpoint(errors=[*_REFUSALS, GroupFullError])
def accept_request(actor: Actor, group_id: int, user_id: int) -> JoinRequestOut:
    """Let a user in; owner and admins may."""
    return join_requests.accept(actor.user_id, group_id, user_id)


@bp.post("/groups/<id:group_id>/join-requests/<id:user_id>/reject")
@endpoint(errors=_REFUSALS)
def reject_request(actor: Actor, group_id: int, user_id: int) -> JoinRequestOut:
    """Refuse a user; owner and admins may."""
    return join_requests.reject(actor.user_id, group_id, user_id)


@bp.post("/groups/<id:group_id>/join-requests/cancel")
@endpoint(errors=[RequestHandledError])
def cancel_request(actor: Actor, group_id: int) -> JoinRequestOut:
    """Take back my request to join a group."""
    return join_requests.cancel(actor.user_id, group_id)
