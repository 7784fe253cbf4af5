"""Administration by operators, over REST: users, sessions, connections, nodes, administrative acts."""

from flask import Blueprint

from imapp.api.http.caller import current_client
from imapp.api.http.endpoint import endpoint
from imapp.errors import ForbiddenError, NotFoundError, OwnAccountError, UnavailableError
from imapp.schemas.administration import ActOut, ActsQuery, AdminUsersOut, AdminUsersQuery, UserSessionsOut
from imapp.schemas.base import Page
from imapp.schemas.stats import NodeReport
from imapp.services.accounts.authentication import Actor
from imapp.services.operations import administration

bp = Blueprint("administration", __name__, url_prefix="/api/admin")


@bp.get("/users")
@endpoint(errors=[ForbiddenError])
def list_users(actor: Actor, query: AdminUsersQuery) -> AdminUsersOut:
    """List the users online, or find accounts by the beginning of a name."""
    return administration.list_users(actor, query)


@bp.get("/users/<id:user_id>/sessions")
@endpoint(errors=[ForbiddenError, NotFoundError])
def list_sessions(actor: Actor, user_id: int) -> UserSessionsOut:
    """List a user's devices and their open connections on all nodes."""
    return administration.list_sessions(actor, user_id)


@bp.post("/users/<id:user_id>/disable")
@endpoint(errors=[ForbiddenError, NotFoundError, OwnAccountError])
def disable_user(actor: Actor, user_id: int) -> None:
    """Disable an account and end all its sessions."""
    administration.disable_user(actor, current_client(), user_id)


@bp.post("/users/<id:user_id>/enable")
@endpoint(errors=[ForbiddenError, NotFoundError])
def enable_user(actor: Actor, user_id: int) -> None:
    """Enable a disabled account."""
    administration.enable_user(actor, current_client(), user_id)


@bp.delete("/sessions/<id:session_id>")
@endpoint(errors=[ForbiddenError, NotFoundError])
def end_session(actor: Actor, session_id: int) -> None:
    """End any user's session and close its sockets on every node."""
    administration.end_session(actor, current_client(), session_id)


@bp.delete("/connections/<sid>")
@endpoint(errors=[ForbiddenError, NotFoundError])
def close_connection(actor: Actor, sid: str) -> None:
    """Close one socket; its session stays valid, and the client may reconnect."""
    administration.close_connection(actor, current_client(), sid)


@bp.post("/nodes/<node_id>/drain")
@endpoint(202, errors=[ForbiddenError, NotFoundError, UnavailableError])
def drain_node(actor: Actor, node_id: str) -> NodeReport:
    """Drain a node: it accepts nothing new, sends its clients to the other nodes at a limited rate, and ends."""
    return administration.drain_node(actor, current_client(), node_id)


@bp.get("/acts")
@endpoint(errors=[ForbiddenError])
def list_acts(actor: Actor, query: ActsQuery) -> Page[ActOut]:
    """List administrative acts, the latest first."""
    return administration.list_acts(actor, query)
