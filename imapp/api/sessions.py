"""Logged-in devices over REST."""

from flask import Blueprint

from imapp.api.http.endpoint import endpoint
from imapp.schemas.base import Page
from imapp.schemas.sessions import SessionOut
from imapp.services.accounts import sessions
from imapp.services.accounts.authentication import Actor

bp = Blueprint("sessions", __name__, url_prefix="/api/sessions")


@bp.get("")
@endpoint()
def list_sessions(actor: Actor) -> Page[SessionOut]:
    """List the caller's devices, the latest log-in first."""
    return sessions.list_sessions(actor.user_id, actor.session_id)


@bp.delete("")
@endpoint()
def revoke_others(actor: Actor) -> None:
    """End all sessions of the caller but this one."""
    sessions.revoke_others(actor.user_id, actor.session_id)


@bp.delete("/<id:session_id>")
@endpoint()
def revoke_session(actor: Actor, session_id: int) -> None:
    """End one of the caller's sessions and close its sockets."""
    sessions.revoke_session(actor.user_id, session_id)
