"""Operators' work on users, their sessions and connections. Each act is logged (services/audit_log.py)."""

from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from imapp.clock import now
from imapp.cluster.bus import bus
from imapp.cluster.registry import presence
from imapp.cluster.registry.registry import ConnectionInfo
from imapp.database.transactions import atomic
from imapp.errors import NotFoundError, OwnAccountError
from imapp.extensions import db
from imapp.models.audit_log import AdminAct
from imapp.models.sessions import DeviceSession
from imapp.models.users import User
from imapp.schemas.administration import (
    ActOut,
    ActsQuery,
    AdminSessionOut,
    AdminUserOut,
    AdminUsersOut,
    AdminUsersQuery,
    By,
    ConnectionOut,
    UserSessionsOut,
)
from imapp.schemas.base import Page, cut
from imapp.schemas.sessions import ClientInfo
from imapp.schemas.stats import NodeReport
from imapp.schemas.users import UsersQuery
from imapp.services import audit_log
from imapp.services.accounts import account_administration, profiles, sessions, users
from imapp.services.accounts.authentication import Actor, require_operator
from imapp.services.operations import nodes
from imapp.services.paging import numbered, read_number


def list_users(actor: Actor, query: AdminUsersQuery) -> AdminUsersOut:
    """Return a page of the users waiting for approval, found by a search, or online; raises ForbiddenError.

    Disabled accounts are included.
    """
    require_operator(actor)
    if query.pending:
        rows, cursor = account_administration.waiting(), None
    elif query.query is None:
        found = presence.user_ids(read_number(query.cursor) or 0, query.limit + 1)
        ids, cursor = cut(found, query.limit, str)
        wanted = select(User).where(User.id.in_(ids)).order_by(User.id)
        rows = list(db.session.scalars(wanted, execution_options={"populate_existing": True}))
    else:
        rows, cursor = users.find(UsersQuery.model_construct(**query.model_dump(exclude={"pending"})))
    online = presence.cluster().online_among([row.id for row in rows])
    items = [_represent(row, row.id in online) for row in rows]
    return AdminUsersOut(items=items, next_cursor=cursor, online=presence.count())


def list_acts(actor: Actor, query: ActsQuery) -> Page[ActOut]:
    """Return a page of the log of administrative acts, the latest first; raise ForbiddenError, InvalidInputError."""
    require_operator(actor)
    kept = select(AdminAct).where(AdminAct.at >= audit_log.oldest_kept(now()))
    page = numbered(kept, AdminAct.id, read_number(query.cursor), query.limit, is_descending=True)
    items = [ActOut.model_validate(row) for row in db.session.scalars(page)]
    return Page[ActOut].of(items, query.limit, lambda item: item.id)


def list_sessions(actor: Actor, user_id: int) -> UserSessionsOut:
    """Return a user's sessions with their open connections on all nodes; raises ForbiddenError, NotFoundError."""
    require_operator(actor)
    user = users.get_row(user_id)
    found = presence.cluster().connections_of(user_id)
    items = [_with_connections(row, found) for row in sessions.alive_rows(user_id)]
    return UserSessionsOut(user=_represent(user, bool(found)), items=items)


def end_session(actor: Actor, client: ClientInfo, session_id: int) -> None:
    """End any user's session and close its sockets on every node; raises ForbiddenError, NotFoundError."""
    require_operator(actor)
    atomic(_end_session, _by(actor, client), session_id)
    sessions.close_sockets([session_id])


def close_connection(actor: Actor, client: ClientInfo, sid: str) -> None:
    """Close one connection on any node; its session stays active. Raises ForbiddenError, NotFoundError."""
    require_operator(actor)
    found = presence.cluster().connection(sid)
    if found is None:
        raise NotFoundError
    audit_log.record(_by(actor, client), "close_connection", f"connection:{sid} of user:{found.user_id}")
    bus.disconnect_connection(sid)


def disable_user(actor: Actor, client: ClientInfo, user_id: int) -> None:
    """Disable an account and end its sessions; raises ForbiddenError, NotFoundError, OwnAccountError."""
    require_operator(actor)
    if user_id == actor.user_id:
        raise OwnAccountError
    sessions.close_sockets(atomic(_disable, _by(actor, client), user_id))
    profiles.announce(user_id)


def enable_user(actor: Actor, client: ClientInfo, user_id: int) -> None:
    """Enable a disabled or pending account; raises ForbiddenError, NotFoundError."""
    require_operator(actor)
    atomic(_enable, _by(actor, client), user_id)
    profiles.announce(user_id)


def drain_node(actor: Actor, client: ClientInfo, node_id: str) -> NodeReport:
    """Tell a node to drain its clients and stop; raises ForbiddenError, NotFoundError, UnavailableError."""
    require_operator(actor)
    return nodes.drain(node_id, _by(actor, client))


def _by(actor: Actor, client: ClientInfo) -> By:
    return By(actor.user_id, client.ip)


def _represent(row: User, is_online: bool) -> AdminUserOut:
    fields = {name: getattr(row, name) for name in AdminUserOut.model_fields if name != "is_online"}
    return AdminUserOut(**fields, is_online=is_online)


def _with_connections(row: DeviceSession, found: list[tuple[str, ConnectionInfo]]) -> AdminSessionOut:
    fields = {name: getattr(row, name) for name in AdminSessionOut.model_fields if name != "connections"}
    own = [
        ConnectionOut(sid=one.sid, node_id=node_id, platform=one.platform, since=datetime.fromtimestamp(one.since, UTC))
        for node_id, one in found
        if one.session_id == row.id
    ]
    return AdminSessionOut(**fields, connections=sorted(own, key=lambda one: (one.since, one.sid)))


def _end_session(session: Session, by: By, session_id: int) -> None:
    user_id = sessions.revoke_any(session, session_id)
    audit_log.note(session, by, "end_session", f"session:{session_id} of user:{user_id}")


def _disable(session: Session, by: By, user_id: int) -> list[int]:
    user = _locked(session, user_id)
    if user.disabled_at is None:
        user.disabled_at = now()
        audit_log.note(session, by, "disable_user", audit_log.target_of(user))
    return sessions.revoke_all(session, user_id)


def _enable(session: Session, by: By, user_id: int) -> None:
    user = _locked(session, user_id)
    if user.disabled_at is not None:
        user.disabled_at = user.pending_since = None
        audit_log.note(session, by, "enable_user", audit_log.target_of(user))


def _locked(session: Session, user_id: int) -> User:
    user = session.get(User, user_id, with_for_update=True)
    if user is None:
        raise NotFoundError
    return user
