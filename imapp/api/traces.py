"""The delivery of a message, for operators."""

from flask import Blueprint

from imapp.api.http.endpoint import endpoint
from imapp.errors import ForbiddenError, NotFoundError
from imapp.schemas.traces import SendQuery, TraceOut, TraceQuery
from imapp.services.accounts.authentication import Actor
from imapp.services.operations import message_traces

bp = Blueprint("traces", __name__, url_prefix="/api/admin/messages")


@bp.get("/<message:message_id>/trace")
@endpoint(errors=[ForbiddenError, NotFoundError])
def read_trace(actor: Actor, message_id: str, query: TraceQuery) -> TraceOut:
    """Show the delivery of a message: when each node and member got it, or why not. Its content is not shown."""
    return message_traces.trace(actor, message_id, query.user_id)


@bp.get("/trace")
@endpoint(errors=[ForbiddenError, NotFoundError])
def read_trace_of_send(actor: Actor, query: SendQuery) -> TraceOut:
    """Show the delivery of a message, given its sender and client_id; works for a refused message, too."""
    return message_traces.trace_send(actor, query.sender_id, query.client_id)
