"""Requests to join a group, and invitations: ask, propose, invite, list, accept, reject, decline, cancel.

A request is `pending` while the owner and admins have to decide, and `invited` while the user has to. There is one row
for each user and group; a repeated request reuses it. Requests are not part of the conversation: only the user, the
owner and the admins are notified.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import cast

from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from imapp.clock import from_unix_ms, now, unix_ms
from imapp.errors import NotFoundError, RequestHandledError, RoleRequiredError
from imapp.events import JoinRequestCreated, JoinRequestUpdated
from imapp.extensions import db
from imapp.models.groups import Group, JoinRequest
from imapp.models.users import User
from imapp.schemas.base import Page
from imapp.schemas.groups import JoinRequestOut, JoinRequestsQuery, JoinRequestStatus
from imapp.schemas.users import UserOut
from imapp.services import own_versions
from imapp.services.groups import consent
from imapp.services.groups.group_change import GroupChange, change_group
from imapp.services.messaging import quotas
from imapp.services.messaging.membership import require_membership
from imapp.services.write_path.permissions import ADMINS

#: A request and the user that would become a member.
_Request = tuple[JoinRequest, User]

#: A request with its group and its user.
_Joined = tuple[JoinRequest, Group, User]

#: Statuses of open requests.
WAITING: tuple[JoinRequestStatus, ...] = ("pending", "invited")

#: How long after a declined invitation the group does not invite the user again.
_DECLINED = timedelta(days=7)


def list_requests(actor_id: int, group_id: int, query: JoinRequestsQuery) -> Page[JoinRequestOut]:
    """Return a page of a group's requests, oldest first; raises NotAMemberError, RoleRequiredError."""
    if require_membership(actor_id, group_id).role not in ADMINS:
        raise RoleRequiredError
    return _page(_requests().where(JoinRequest.group_id == group_id), JoinRequest.user_id, query)


def list_mine(actor_id: int, query: JoinRequestsQuery) -> Page[JoinRequestOut]:
    """Return a page of the actor's own requests, oldest first."""
    return _page(_requests().where(JoinRequest.user_id == actor_id), JoinRequest.group_id, query)


def accept(actor_id: int, group_id: int, user_id: int) -> JoinRequestOut:
    """Admit a user; raises NotAMemberError, RoleRequiredError, NotFoundError, RequestHandledError, GroupFullError."""
    return change_group(_accept, actor_id, group_id, user_id)


def reject(actor_id: int, group_id: int, user_id: int) -> JoinRequestOut:
    """Reject a request, or withdraw an invitation; raises like `accept`, except for GroupFullError."""
    return change_group(_reject, actor_id, group_id, user_id)


def cancel(actor_id: int, group_id: int) -> JoinRequestOut:
    """Cancel the actor's own request, or decline an invitation; raises NotFoundError, RequestHandledError."""
    return change_group(_cancel, actor_id, group_id, WAITING)


def decline(actor_id: int, group_id: int) -> JoinRequestOut:
    """Decline an invitation; raises NotFoundError, RequestHandledError."""
    return change_group(_cancel, actor_id, group_id, ("invited",))


def accept_invitation(actor_id: int, group_id: int) -> JoinRequestOut:
    """Accept an invitation. Raises NotFoundError, RequestHandledError, GroupFullError, TooManyConversationsError."""
    quotas.require_room_for_conversation(actor_id)
    return change_group(_accept_invitation, actor_id, group_id)


def is_invited(session: Session, user_id: int, group_id: int) -> bool:
    """Return whether the user has an open invitation to the group."""
    request = session.get(JoinRequest, (group_id, user_id), populate_existing=True)
    return request is not None and request.status == "invited"


def waiting_page(group_id: int, status: JoinRequestStatus) -> Page[JoinRequestOut]:
    """Return the first page of a group's requests with this status, for a user known to be owner or admin."""
    wanted = _requests().where(JoinRequest.group_id == group_id)
    return _page(wanted, JoinRequest.user_id, JoinRequestsQuery(status=status))


def requests_of(user_id: int) -> Select[_Joined]:
    """Select the user's own requests, each with its group and its user (the arguments of `request_out`)."""
    return _requests().where(JoinRequest.user_id == user_id)


def ask(change: GroupChange, message: str) -> JoinRequestOut:
    """Request membership for the actor; a pending request of their own stays unchanged. Part of a change."""
    found = _find(change, change.actor_id)
    if found is not None:
        request, user = found
        if request.status == "pending" and request.inviter_id is None:
            return request_out(request, change.group, user)
    return _open(change, [change.actor_id], None, "pending", message)[0]


def propose(change: GroupChange, user_ids: set[int]) -> list[int]:
    """Propose users to the owner and admins; return the proposed ones, without members and users with open requests."""
    waiting = {request.user_id for request, _ in _waiting(change, JoinRequest.user_id.in_(user_ids))}
    proposed = sorted(user_ids - waiting - change.present_among(user_ids))
    _open(change, proposed, change.actor_id, "pending")
    return proposed


def invite(change: GroupChange, user_ids: set[int]) -> list[int]:
    """Invite users and return the invited ones, including those with an open invitation. Part of a change.

    Users that declined within the last _DECLINED are not invited again.
    """
    known = {request.user_id: request for request in _known(change, user_ids)}
    lately = now() - _DECLINED
    declined = {
        id_
        for id_, request in known.items()
        if request.status == "declined" and request.handled_at is not None and request.handled_at > lately
    }
    asked = user_ids - declined
    waiting = {id_ for id_ in asked if id_ in known and known[id_].status == "invited"}
    _open(change, sorted(asked - waiting), change.actor_id, "invited")
    return sorted(asked)


def accept_all(change: GroupChange, user_ids: list[int]) -> None:
    """Mark the open requests of new members as accepted. Part of a change."""
    _settle(change, _waiting(change, JoinRequest.user_id.in_(user_ids)), "accepted")


def cancel_all(change: GroupChange) -> None:
    """Cancel all open requests of a dissolved group. Part of a change."""
    _settle(change, _waiting(change), "cancelled")


def _open(
    change: GroupChange, user_ids: list[int], inviter_id: int | None, status: JoinRequestStatus, message: str = ""
) -> list[JoinRequestOut]:
    """Open requests for users; reuse the rows of earlier requests."""
    users = change.session.scalars(select(User).where(User.id.in_(user_ids)).order_by(User.id)).all()
    known = {request.user_id: request for request in _known(change, user_ids)}
    opened = []
    for user in users:
        request = known.get(user.id) or JoinRequest(group_id=change.group.id, user_id=user.id)
        request.inviter_id, request.message, request.status = inviter_id, message, status
        request.created_at, request.handled_at, request.handled_by = now(), None, None
        change.session.add(request)
        opened.append((request, user))
    return _tell(change, JoinRequestCreated, opened)


def _accept(change: GroupChange, user_id: int) -> JoinRequestOut:
    """Admit a user that asked; invite a user that a member proposed, if the user has to agree first."""
    change.require_admin()
    request, user = _require(change, user_id, "pending")
    if request.inviter_id is not None:
        inviters = {change.actor_id, request.inviter_id}
        consent.require_addable(change.session, inviters, {user_id})
        if consent.to_ask(change, inviters, {user_id}):
            return _open(change, [user_id], request.inviter_id, "invited")[0]
    return _let_in(change, (request, user))


def _accept_invitation(change: GroupChange) -> JoinRequestOut:
    return _let_in(change, _require(change, change.actor_id, "invited"))


def _let_in(change: GroupChange, request: _Request) -> JoinRequestOut:
    [shown] = _settle(change, [request], "accepted")
    change.add([shown.user_id])
    return shown


def _reject(change: GroupChange, user_id: int) -> JoinRequestOut:
    change.require_admin()
    request, user = _require(change, user_id, *WAITING)
    status: JoinRequestStatus = "rejected" if request.status == "pending" else "cancelled"
    return _settle(change, [(request, user)], status)[0]


def _cancel(change: GroupChange, statuses: tuple[str, ...]) -> JoinRequestOut:
    request, user = _require(change, change.actor_id, *statuses)
    status: JoinRequestStatus = "cancelled" if request.status == "pending" else "declined"
    return _settle(change, [(request, user)], status)[0]


def _settle(change: GroupChange, requests: list[_Request], status: JoinRequestStatus) -> list[JoinRequestOut]:
    for request, _ in requests:
        request.status, request.handled_at, request.handled_by = status, now(), change.actor_id
    return _tell(change, JoinRequestUpdated, requests)


def _tell(
    change: GroupChange, event: type[JoinRequestCreated | JoinRequestUpdated], requests: list[_Request]
) -> list[JoinRequestOut]:
    """Number the requests and queue the events for their users, the owner and the admins; return the requests."""
    change.session.flush()
    staff = change.staff() if requests else set()
    versions = own_versions.next_versions(change.session, staff | {request.user_id for request, _ in requests})
    for request, _ in requests:
        request.version = versions[request.user_id]
    change.number_staff(staff)
    change.session.flush()
    shown = [request_out(request, change.group, user) for request, user in requests]
    for one in shown:
        change.tell(event(request=one), sorted({one.user_id, *staff}))
    return shown


def _require(change: GroupChange, user_id: int, *statuses: str) -> _Request:
    found = _find(change, user_id)
    if found is None:
        raise NotFoundError("There is no such request.")
    request, _ = found
    if request.status not in statuses:
        raise RequestHandledError
    return found


def _find(change: GroupChange, user_id: int) -> _Request | None:
    request = change.session.get(JoinRequest, (change.group.id, user_id))
    return None if request is None else (request, change.session.get_one(User, user_id))


def _waiting(change: GroupChange, *which: ColumnElement[bool]) -> list[_Request]:
    """Return the group's open requests and invitations, with their users."""
    waiting = select(JoinRequest, User).join(User, User.id == JoinRequest.user_id)
    waiting = waiting.where(JoinRequest.group_id == change.group.id, JoinRequest.status.in_(WAITING), *which)
    return [(request, user) for request, user in change.session.execute(waiting)]


def _known(change: GroupChange, user_ids: Iterable[int]) -> Sequence[JoinRequest]:
    wanted = JoinRequest.group_id == change.group.id, JoinRequest.user_id.in_(user_ids)
    return change.session.scalars(select(JoinRequest).where(*wanted)).all()


def _requests() -> Select[_Joined]:
    joined = select(JoinRequest, Group, User).join(Group, Group.id == JoinRequest.group_id)
    return joined.join(User, User.id == JoinRequest.user_id).execution_options(populate_existing=True)


def _page(wanted: Select[_Joined], tie: InstrumentedAttribute[int], query: JoinRequestsQuery) -> Page[JoinRequestOut]:
    """Return a page, oldest first; `tie` orders requests of the same millisecond."""
    wanted = wanted.where(JoinRequest.status == query.status)
    if query.cursor is not None:
        moment_ms, last = map(int, query.cursor.split("-"))
        moment = from_unix_ms(moment_ms)
        same = and_(JoinRequest.created_at == moment, tie > last)
        wanted = wanted.where(or_(JoinRequest.created_at > moment, same))
    found = db.session.execute(wanted.order_by(JoinRequest.created_at, tie).limit(query.limit + 1)).tuples()
    items = [request_out(request, group, user) for request, group, user in found]
    return Page[JoinRequestOut].of(
        items, query.limit, lambda item: f"{unix_ms(item.created_at)}-{getattr(item, tie.key)}"
    )


def request_out(request: JoinRequest, group: Group, user: User) -> JoinRequestOut:
    """Return a request as its user, the owner and the admins see it."""
    return JoinRequestOut(
        group_id=group.id,
        group_name=group.name,
        user_id=user.id,
        user=UserOut.model_validate(user),
        inviter_id=request.inviter_id,
        message=request.message,
        status=cast(JoinRequestStatus, request.status),
        created_at=request.created_at,
        handled_at=request.handled_at,
        handled_by=request.handled_by,
        version=request.version,
    )
