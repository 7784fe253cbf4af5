"""Requests to join a group by approval: ask, propose, list, accept, reject, cancel.

There is one row for each user and group, used again when somebody asks again. They are no part of the
conversation: the user, the owner and the admins are told, nobody else.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, Select, and_, or_, select, update

from imapp.errors import NotFoundError, RequestHandledError, RoleRequiredError
from imapp.events import JoinRequestCreated, JoinRequestUpdated
from imapp.extensions import db
from imapp.models.conversations import ConversationMember
from imapp.models.groups import Group, JoinRequest
from imapp.models.own_state import UserState
from imapp.models.users import User
from imapp.schemas.base import Page, now
from imapp.schemas.groups import JoinRequestOut, JoinRequestsQuery, JoinRequestStatus
from imapp.schemas.users import UserOut
from imapp.services import own_state
from imapp.services.group_change import GroupChange, change_group
from imapp.services.membership import require_membership
from imapp.services.rights import ADMINS

#: A request and the user whom it is about.
_Request = tuple[JoinRequest, User]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def list_requests(actor_id: int, group_id: int, query: JoinRequestsQuery) -> Page[JoinRequestOut]:
    """A page of a group's requests, oldest first; raises NotAMemberError, RoleRequiredError."""
    if require_membership(actor_id, group_id).role not in ADMINS:
        raise RoleRequiredError
    return _page(_requests().where(JoinRequest.group_id == group_id), JoinRequest.user_id, query)


def list_mine(actor_id: int, query: JoinRequestsQuery) -> Page[JoinRequestOut]:
    """A page of the actor's own requests, oldest first."""
    return _page(_requests().where(JoinRequest.user_id == actor_id), JoinRequest.group_id, query)


def accept(actor_id: int, group_id: int, user_id: int) -> JoinRequestOut:
    """Let a user in; raises NotAMemberError, RoleRequiredError, NotFoundError, RequestHandledError, GroupFullError."""
    return change_group(_accept, actor_id, group_id, user_id)


def reject(actor_id: int, group_id: int, user_id: int) -> JoinRequestOut:
    """Refuse a user; raises NotAMemberError, RoleRequiredError, NotFoundError, RequestHandledError."""
    return change_group(_reject, actor_id, group_id, user_id)


def cancel(actor_id: int, group_id: int) -> JoinRequestOut:
    """Take one's own request back; raises NotFoundError, RequestHandledError."""
    return change_group(_cancel, actor_id, group_id)


def waiting_page(group_id: int) -> Page[JoinRequestOut]:
    """The first page of a group's pending requests, for who has been found to be owner or admin."""
    return _page(_requests().where(JoinRequest.group_id == group_id), JoinRequest.user_id, JoinRequestsQuery())


def requests_of(user_id: int) -> Select[Any]:
    """The user's own requests, each with its group and its user: the arguments of `request_out`."""
    return _requests().where(JoinRequest.user_id == user_id)


def ask(change: GroupChange, message: str) -> JoinRequestOut:
    """Ask for the actor; a request that waits stands as it is. Part of a change."""
    found = _find(change, change.actor_id)
    if found is not None and found[0].status == "pending":
        return request_out(found[0], change.group, found[1])
    return _open(change, [change.actor_id], None, message)[0]


def propose(change: GroupChange, user_ids: set[int]) -> list[int]:
    """Ask for users who are not members and for whom nobody asks yet; gives them. Part of a change."""
    waiting = {request.user_id for request, _ in _waiting(change, JoinRequest.user_id.in_(user_ids))}
    proposed = sorted(user_ids - waiting - change.present_among(user_ids))
    _open(change, proposed, change.actor_id, "")
    return proposed


def accept_all(change: GroupChange, user_ids: list[int]) -> None:
    """Who has become a member asks no longer. Part of a change."""
    _settle(change, _waiting(change, JoinRequest.user_id.in_(user_ids)), "accepted")


def cancel_all(change: GroupChange) -> None:
    """Nobody waits for a group that is no more. Part of a change."""
    _settle(change, _waiting(change), "cancelled")


def _open(change: GroupChange, user_ids: list[int], inviter_id: int | None, message: str) -> list[JoinRequestOut]:
    """Ask for users, in the rows of earlier requests where there are any."""
    group_id, moment = change.group.id, now()
    users = change.session.scalars(select(User).where(User.id.in_(user_ids)).order_by(User.id)).all()
    earlier = select(JoinRequest).where(JoinRequest.group_id == group_id, JoinRequest.user_id.in_(user_ids))
    known = {request.user_id: request for request in change.session.scalars(earlier)}
    opened = []
    for user in users:
        request = known.get(user.id) or JoinRequest(group_id=group_id, user_id=user.id)
        request.inviter_id, request.message, request.status = inviter_id, message, "pending"
        request.created_at, request.handled_at, request.handled_by = moment, None, None
        change.session.add(request)
        opened.append((request, user))
    return _tell(change, JoinRequestCreated, opened)


def _accept(change: GroupChange, user_id: int) -> JoinRequestOut:
    change.require_admin()
    [shown] = _settle(change, [_require_pending(change, user_id)], "accepted")
    change.add([user_id])
    return shown


def _reject(change: GroupChange, user_id: int) -> JoinRequestOut:
    change.require_admin()
    return _settle(change, [_require_pending(change, user_id)], "rejected")[0]


def _cancel(change: GroupChange) -> JoinRequestOut:
    return _settle(change, [_require_pending(change, change.actor_id)], "cancelled")[0]


def _settle(change: GroupChange, requests: list[_Request], status: JoinRequestStatus) -> list[JoinRequestOut]:
    for request, _ in requests:
        request.status, request.handled_at, request.handled_by = status, now(), change.actor_id
    return _tell(change, JoinRequestUpdated, requests)


def _tell(
    change: GroupChange, event: type[JoinRequestCreated | JoinRequestUpdated], requests: list[_Request]
) -> list[JoinRequestOut]:
    """Number and note what each of the users, the owner and the admins are told; gives what they see."""
    change.session.flush()
    staff = _staff(change) if requests else set()
    versions = own_state.next_versions(change.session, staff | {request.user_id for request, _ in requests})
    for request, _ in requests:
        request.version = versions[request.user_id]
    _number(change, staff)
    change.session.flush()
    shown = [request_out(request, change.group, user) for request, user in requests]
    for one in shown:
        change.tell(event(request=one), sorted({one.user_id, *staff}))
    return shown


def _number(change: GroupChange, staff: set[int]) -> None:
    """Give the rows of owner and admins the versions to which their counters have been advanced."""
    if not staff:
        return
    member = ConversationMember
    counter = select(UserState.version).where(UserState.user_id == member.user_id).scalar_subquery()
    rows = update(member).where(member.conversation_id == change.group.id, member.user_id.in_(staff))
    numbered = rows.values(requests_version=counter)
    change.session.execute(numbered, execution_options={"synchronize_session": False})


def _require_pending(change: GroupChange, user_id: int) -> _Request:
    found = _find(change, user_id)
    if found is None:
        raise NotFoundError("There is no such request.")
    if found[0].status != "pending":
        raise RequestHandledError
    return found


def _find(change: GroupChange, user_id: int) -> _Request | None:
    request = change.session.get(JoinRequest, (change.group.id, user_id))
    return None if request is None else (request, change.session.get_one(User, user_id))


def _waiting(change: GroupChange, *which: ColumnElement[bool]) -> list[_Request]:
    """The group's pending requests with their users."""
    pending = select(JoinRequest, User).join(User, User.id == JoinRequest.user_id)
    pending = pending.where(JoinRequest.group_id == change.group.id, JoinRequest.status == "pending", *which)
    return [(request, user) for request, user in change.session.execute(pending)]


def _staff(change: GroupChange) -> set[int]:
    """The owner and the admins."""
    admins = select(ConversationMember.user_id).where(
        ConversationMember.conversation_id == change.group.id,
        ConversationMember.left_at.is_(None),
        ConversationMember.role.in_(ADMINS),
    )
    return set(change.session.scalars(admins))


def _requests() -> Select[Any]:
    joined = select(JoinRequest, Group, User).join(Group, Group.id == JoinRequest.group_id)
    return joined.join(User, User.id == JoinRequest.user_id).execution_options(populate_existing=True)


def _page(wanted: Select[Any], tie: Any, query: JoinRequestsQuery) -> Page[JoinRequestOut]:
    """Oldest first; `tie` orders those of the same millisecond."""
    wanted = wanted.where(JoinRequest.status == query.status)
    if query.cursor is not None:
        moment, last = _read_cursor(query.cursor)
        same = and_(JoinRequest.created_at == moment, tie > last)
        wanted = wanted.where(or_(JoinRequest.created_at > moment, same))
    found = db.session.execute(wanted.order_by(JoinRequest.created_at, tie).limit(query.limit + 1)).all()
    items = [request_out(*row) for row in found[: query.limit]]
    is_last = len(found) <= query.limit
    cursor = None if is_last else _write_cursor(found[query.limit - 1][0], tie.key)
    return Page[JoinRequestOut](items=items, next_cursor=cursor)


def _write_cursor(request: JoinRequest, tie: str) -> str:
    return f"{(request.created_at - _EPOCH) // timedelta(milliseconds=1)}-{getattr(request, tie)}"


def _read_cursor(cursor: str) -> tuple[datetime, int]:
    milliseconds, _, tie = cursor.partition("-")
    return _EPOCH + timedelta(milliseconds=int(milliseconds)), int(tie)


def request_out(request: JoinRequest, group: Group, user: User) -> JoinRequestOut:
    """A request as all see it who may."""
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
    )
