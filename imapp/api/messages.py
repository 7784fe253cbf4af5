"""Messages over REST."""

from flask import Blueprint

from imapp.api.http.endpoint import endpoint
from imapp.errors import (
    BlockedError,
    ClientIdConflictError,
    ForbiddenError,
    MessageRecalledError,
    MutedError,
    NotAMemberError,
    NotAnEmojiError,
    RecipientGoneError,
    RoleRequiredError,
    TooManyEditsError,
    TooManyOwnReactionsError,
    TooManyReactionsError,
    WindowClosedError,
)
from imapp.schemas.base import JsonObject, Page
from imapp.schemas.messages import (
    ContentIn,
    EditMessage,
    EditOut,
    ForwardMessage,
    HistoryPage,
    HistoryQuery,
    ListQuery,
    MessageAck,
    MessageDraft,
    MessageOut,
    MessageResult,
    MessageWire,
    ReactionIn,
)
from imapp.services.accounts.authentication import Actor
from imapp.services.messaging import messages, reactions

bp = Blueprint("messages", __name__, url_prefix="/api")

_ONE = "/messages/<message:message_id>"


def _created(result: JsonObject) -> tuple[JsonObject, int]:
    return result, 200 if result["duplicate"] else 201


@bp.post("/conversations/<id:conversation_id>/messages")
@endpoint(
    201,
    200,
    returns=MessageAck,
    errors=[NotAMemberError, BlockedError, RecipientGoneError, MutedError, ClientIdConflictError],
    is_large=True,
    location="/api/messages/{message[id]}",
)
def send_message(actor: Actor, conversation_id: int, body: MessageDraft) -> tuple[JsonObject, int]:
    """Send a message; 200 if a message with this client_id is already stored."""
    return _created(messages.send(actor.user_id, conversation_id, body))


@bp.get("/conversations/<id:conversation_id>/messages")
@endpoint(errors=[NotAMemberError])
def read_history(actor: Actor, conversation_id: int, query: HistoryQuery) -> HistoryPage:
    """Read messages: newest first with `before`, oldest first with `after`."""
    return messages.history(actor.user_id, conversation_id, query)


@bp.get("/conversations/<id:conversation_id>/pins")
@endpoint(errors=[NotAMemberError])
def read_pins(actor: Actor, conversation_id: int, query: ListQuery) -> Page[MessageOut]:
    """Read the pinned messages, newest first."""
    return messages.pins(actor.user_id, conversation_id, query)


@bp.post("/messages/forward")
@endpoint(201, 200, returns=MessageAck, errors=[NotAMemberError, MessageRecalledError])
def forward_message(actor: Actor, body: ForwardMessage) -> tuple[JsonObject, int]:
    """Forward a message to a conversation."""
    return _created(messages.forward(actor.user_id, body))


@bp.get(_ONE)
@endpoint(returns=MessageOut, errors=[NotAMemberError])
def read_message(actor: Actor, message_id: str) -> MessageWire:
    """Read one message."""
    return messages.get(actor.user_id, message_id)


@bp.patch(_ONE)
@endpoint(
    returns=MessageResult,
    errors=[ForbiddenError, RoleRequiredError, WindowClosedError, MessageRecalledError, TooManyEditsError],
    is_large=True,
)
def edit_message(actor: Actor, message_id: str, body: ContentIn) -> JsonObject:
    """Change the content and the mentions of the caller's own message."""
    order = EditMessage(message_id=message_id, content=body.content, mentions=body.mentions)
    return messages.edit(actor.user_id, order)


@bp.get(_ONE + "/edits")
@endpoint(errors=[NotAMemberError])
def read_edits(actor: Actor, message_id: str, query: ListQuery) -> Page[EditOut]:
    """Read the earlier versions of an edited message, oldest first."""
    return messages.edits(actor.user_id, message_id, query)


@bp.post(_ONE + "/recall")
@endpoint(returns=MessageResult, errors=[ForbiddenError, WindowClosedError, MessageRecalledError])
def recall_message(actor: Actor, message_id: str) -> JsonObject:
    """Recall a message for everybody."""
    return messages.recall(actor.user_id, message_id)


@bp.put(_ONE + "/reactions")
@endpoint(
    returns=MessageResult,
    errors=[NotAMemberError, NotAnEmojiError, TooManyReactionsError, TooManyOwnReactionsError],
)
def add_reaction(actor: Actor, message_id: str, body: ReactionIn) -> JsonObject:
    """Set an emoji on a message."""
    return reactions.react(actor.user_id, message_id, body.emoji, remove=False)


@bp.post(_ONE + "/reactions/remove")
@endpoint(returns=MessageResult, errors=[NotAMemberError])
def remove_reaction(actor: Actor, message_id: str, body: ReactionIn) -> JsonObject:
    """Remove the caller's emoji from a message."""
    return reactions.react(actor.user_id, message_id, body.emoji, remove=True)


@bp.put(_ONE + "/pin")
@endpoint(returns=MessageResult, errors=[NotAMemberError, ForbiddenError])
def pin_message(actor: Actor, message_id: str) -> JsonObject:
    """Pin a message for everybody."""
    return messages.set_pin(actor.user_id, message_id, pin=True)


@bp.delete(_ONE + "/pin")
@endpoint(returns=MessageResult, errors=[NotAMemberError, ForbiddenError])
def unpin_message(actor: Actor, message_id: str) -> JsonObject:
    """Unpin a message."""
    return messages.set_pin(actor.user_id, message_id, pin=False)
