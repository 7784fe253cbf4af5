"""Contact requests: send, accept, reject, cancel.

Each direction of a pair has one row, which is reused when the sender asks again. If both users send a request, they
become contacts at once: the second request accepts the first.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from imapp.clock import now
from imapp.cluster import limits
from imapp.database.transactions import atomic
from imapp.errors import AlreadyContactsError, BlockedError, NotFoundError, RequestHandledError
from imapp.events import ContactRequestCreated, ContactRequestUpdated
from imapp.extensions import db
from imapp.models.contacts import ContactRequest
from imapp.schemas.base import Page
from imapp.schemas.contacts import ContactRequestIn, ContactRequestOut, ContactRequestsQuery, RequestStatus
from imapp.services.contacts import contacts, presence
from imapp.services.contacts.contact_pairs import Pair, Pushes, publish
from imapp.services.contacts.contact_views import incoming_of, outgoing_of, request_out
from imapp.services.contacts.reachability import are_contacts, is_blocked
from imapp.services.paging import numbered


def list_requests(actor_id: int, query: ContactRequestsQuery) -> Page[ContactRequestOut]:
    """Return a page of the caller's requests in one direction, most recently changed first."""
    is_outgoing = query.direction == "outgoing"
    wanted = outgoing_of(actor_id) if is_outgoing else incoming_of(actor_id)
    version = ContactRequest.from_version if is_outgoing else ContactRequest.to_version
    if query.status is not None:
        wanted = wanted.where(ContactRequest.status == query.status)
    page = numbered(wanted, version, query.cursor, query.limit, is_descending=True)
    items = [request_out(request, other) for request, other in db.session.execute(page).tuples()]
    return Page[ContactRequestOut].of(items, query.limit, lambda item: item.version)


def send(actor_id: int, body: ContactRequestIn) -> tuple[ContactRequestOut, bool]:
    """Ask a user to become a contact; return the request and whether it is new.

    A pending request of the actor is left unchanged; a pending request of the other user is accepted. Raises
    NotFoundError for an unknown user, ForbiddenError for the actor's own id, BlockedError, AlreadyContactsError,
    RateLimitedError.
    """
    limits.hit("contact_requests_per_user", actor_id)
    answer, pushes = atomic(_send, actor_id, body)
    return _tell(answer, pushes), bool(pushes) and answer.status == "pending"


def accept(actor_id: int, request_id: int) -> ContactRequestOut:
    """Accept a request; raises NotFoundError if the actor is not its recipient, RequestHandledError, BlockedError."""
    return _tell(*atomic(_handle, actor_id, request_id, "accepted"))


def reject(actor_id: int, request_id: int) -> ContactRequestOut:
    """Reject a request; raises NotFoundError if the actor is not its recipient, RequestHandledError."""
    return _tell(*atomic(_handle, actor_id, request_id, "rejected"))


def cancel(actor_id: int, request_id: int) -> ContactRequestOut:
    """Cancel a request; raises NotFoundError if the actor is not its sender, RequestHandledError."""
    return _tell(*atomic(_handle, actor_id, request_id, "cancelled"))


def _tell(answer: ContactRequestOut, pushes: Pushes) -> ContactRequestOut:
    publish(pushes)
    if answer.status == "accepted":
        presence.reveal(answer.from_user_id, answer.to_user_id)
    return answer


def _send(session: Session, actor_id: int, body: ContactRequestIn) -> tuple[ContactRequestOut, Pushes]:
    pair = Pair(session, actor_id, body.user_id)
    if is_blocked(session, actor_id, body.user_id):
        raise BlockedError
    if are_contacts(session, actor_id, body.user_id):
        raise AlreadyContactsError
    crossing = _waiting(session, body.user_id, actor_id)
    if crossing is not None:
        return _settle(pair, crossing, "accepted")
    waiting = _waiting(session, actor_id, body.user_id)
    if waiting is not None:
        return request_out(waiting, pair.users[body.user_id]), []
    versions = pair.next_versions()
    request = _find(session, actor_id, body.user_id)
    if request is None:
        request = ContactRequest(from_user_id=actor_id, to_user_id=body.user_id)
        session.add(request)
    request.message, request.status = body.message, "pending"
    request.created_at, request.handled_at = now(), None
    _number(request, versions)
    session.flush()
    return _announce(pair, request, ContactRequestCreated)


def _handle(
    session: Session, actor_id: int, request_id: int, status: RequestStatus
) -> tuple[ContactRequestOut, Pushes]:
    request = session.get(ContactRequest, request_id)
    if request is None:
        raise NotFoundError
    sides = (request.from_user_id, request.to_user_id)
    mine, others = sides if status == "cancelled" else sides[::-1]
    if mine != actor_id:
        raise NotFoundError
    pair = Pair(session, actor_id, others)
    session.refresh(request)  # it may have been handled during the wait for the pair's lock
    if request.status != "pending":
        raise RequestHandledError
    if status == "accepted" and is_blocked(session, pair.actor_id, pair.other_id):
        raise BlockedError
    return _settle(pair, request, status)


def _settle(pair: Pair, request: ContactRequest, status: RequestStatus) -> tuple[ContactRequestOut, Pushes]:
    request.status, request.handled_at = status, now()
    _number(request, pair.next_versions())
    outcome = _announce(pair, request, ContactRequestUpdated)
    if status == "accepted":
        contacts.befriend(pair)
    return outcome


def _number(request: ContactRequest, versions: dict[int, int]) -> None:
    request.from_version, request.to_version = versions[request.from_user_id], versions[request.to_user_id]


def _announce(
    pair: Pair, request: ContactRequest, event: type[ContactRequestCreated | ContactRequestUpdated]
) -> tuple[ContactRequestOut, Pushes]:
    """Note the event for both users; return the request as the actor sees it, and the events to publish."""
    for user_id, other_id in pair.directions():
        pair.push(user_id, event(request=request_out(request, pair.users[other_id])))
    return request_out(request, pair.users[pair.other_id]), pair.pushes


def _waiting(session: Session, from_user_id: int, to_user_id: int) -> ContactRequest | None:
    request = _find(session, from_user_id, to_user_id)
    return request if request is not None and request.status == "pending" else None


def _find(session: Session, from_user_id: int, to_user_id: int) -> ContactRequest | None:
    pair = select(ContactRequest).where(
        ContactRequest.from_user_id == from_user_id, ContactRequest.to_user_id == to_user_id
    )
    return session.scalar(pair)
