"""Conversations over REST: the list, the user's own settings, read marks, messages deleted for oneself."""

from flask import Blueprint

from imapp.api.http.endpoint import endpoint
from imapp.errors import (
    BlockedError,
    NotAContactError,
    NotAMemberError,
    NotFoundError,
    OneselfError,
    RecipientGoneError,
)
from imapp.events import MessagesHidden
from imapp.schemas.base import JsonObject, Page
from imapp.schemas.conversations import (
    ConversationOut,
    ConversationPatch,
    ConversationsQuery,
    ConversationState,
    OpenPrivate,
    ReadOut,
    ReadPosition,
)
from imapp.schemas.messages import HideMessages
from imapp.services.accounts.authentication import Actor
from imapp.services.messaging import conversation_settings, conversations, hidden_messages, read_marks

bp = Blueprint("conversations", __name__, url_prefix="/api")

_ONE = "/conversations/<id:conversation_id>"


@bp.get("/conversations")
@endpoint()
def list_conversations(actor: Actor, query: ConversationsQuery) -> Page[ConversationOut]:
    """List the caller's conversations: pinned ones first, then by last activity."""
    return conversations.list_conversations(actor.user_id, query)


@bp.post("/conversations")
@endpoint(
    201,
    200,
    returns=ConversationOut,
    location="/api/conversations/{id}",
    errors=[BlockedError, NotAContactError, RecipientGoneError, OneselfError, NotFoundError],
)
def open_private(actor: Actor, body: OpenPrivate) -> tuple[ConversationOut, int]:
    """Open the private conversation with a user; 200 if it already exists."""
    conversation, is_new = conversations.open_with(actor.user_id, body.user_id)
    return conversation, 201 if is_new else 200


@bp.get(_ONE)
@endpoint(errors=[NotAMemberError])
def read_conversation(actor: Actor, conversation_id: int) -> ConversationOut:
    """Read one conversation."""
    return conversations.get(actor.user_id, conversation_id)


@bp.patch(_ONE)
@endpoint(errors=[NotAMemberError], is_large=True)
def update_conversation(actor: Actor, conversation_id: int, body: ConversationPatch) -> ConversationState:
    """Change the caller's own settings: pin, mute notifications, hide until the next message, mark unread, draft."""
    return conversation_settings.change(actor.user_id, conversation_id, body)


@bp.post(_ONE + "/read")
@endpoint(returns=ReadOut, errors=[NotAMemberError])
def mark_read(actor: Actor, conversation_id: int, body: ReadPosition) -> JsonObject:
    """Move the caller's read mark forward."""
    return read_marks.mark_read(actor.user_id, conversation_id, body.seq)


@bp.post("/messages/hide")
@endpoint(errors=[NotAMemberError, NotFoundError])
def hide_messages(actor: Actor, body: HideMessages) -> MessagesHidden:
    """Delete messages for the caller only."""
    return hidden_messages.hide(actor.user_id, body)
