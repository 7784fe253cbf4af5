"""Contact requests over REST."""

from flask import Blueprint

from imapp.api.http.endpoint import endpoint
from imapp.errors import AlreadyContactsError, BlockedError, RequestHandledError
from imapp.schemas.base import Page
from imapp.schemas.contacts import ContactRequestIn, ContactRequestOut, ContactRequestsQuery
from imapp.services.accounts.authentication import Actor
from imapp.services.contacts import contact_requests

bp = Blueprint("contact_requests", __name__, url_prefix="/api/contact-requests")


@bp.get("")
@endpoint()
def list_requests(actor: Actor, query: ContactRequestsQuery) -> Page[ContactRequestOut]:
    """List the caller's contact requests, the latest changed first."""
    return contact_requests.list_requests(actor.user_id, query)


@bp.post("")
@endpoint(201, 200, returns=ContactRequestOut, errors=[BlockedError, AlreadyContactsError])
def send_request(actor: Actor, body: ContactRequestIn) -> tuple[ContactRequestOut, int]:
    """Send a contact request. 200: one was already pending; the caller's own stays, the other user's is accepted."""
    request, is_new = contact_requests.send(actor.user_id, body)
    return request, 201 if is_new else 200


@bp.post("/<id:request_id>/accept")
@endpoint(errors=[BlockedError, RequestHandledError])
def accept_request(actor: Actor, request_id: int) -> ContactRequestOut:
    """Accept a received request: the two users become contacts."""
    return contact_requests.accept(actor.user_id, request_id)


@bp.post("/<id:request_id>/reject")
@endpoint(errors=[RequestHandledError])
def reject_request(actor: Actor, request_id: int) -> ContactRequestOut:
    """Reject a received request."""
    return contact_requests.reject(actor.user_id, request_id)


@bp.post("/<id:request_id>/cancel")
@endpoint(errors=[RequestHandledError])
def cancel_request(actor: Actor, request_id: int) -> ContactRequestOut:
    """Cancel a sent request."""
    return contact_requests.cancel(actor.user_id, request_id)
