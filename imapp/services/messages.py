"""Messages: send, forward, edit, recall, react, pin, and read what was said.

Everything that writes goes through the committer; what is checked here needs no database.
"""

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import and_, select

from imapp.cluster import limits
from imapp.errors import AppError, ForbiddenError, MessageRecalledError, NotFoundError, TextTooLongError, TooLargeError
from imapp.extensions import db, settings
from imapp.models.messages import Message, MessageEdit, Pin
from imapp.schemas.base import Page
from imapp.schemas.contents import SYSTEM, check_content
from imapp.schemas.messages import (
    EditMessage,
    EditOut,
    ForwardMessage,
    HistoryPage,
    HistoryQuery,
    ListQuery,
    MessageDraft,
    MessageOut,
    SendMessage,
    message_wire,
    split_message_id,
)
from imapp.services import committer, message_ops, reactions
from imapp.services.committer import Done
from imapp.services.hidden_messages import visible_to
from imapp.services.membership import require_membership
from imapp.services.private_conversations import find_private, known_private

_COLUMNS = Message.__table__.columns

#: Bytes that the column of a content holds on MySQL and MariaDB.
_COLUMN_BYTES = 65_535

_NO_SUCH_REPLY = "The message to reply to is not in this conversation."


def send(actor_id: int, conversation_id: int, draft: MessageDraft) -> dict[str, Any]:
    """Store a message and push it to the members; gives {"message", "duplicate"} after the commit.

    Raises NotAMemberError, BlockedError, NotAContactError, MutedError, GroupDissolvedError, ClientIdConflictError,
    RoleRequiredError (@all), TextTooLongError, TooLargeError, RateLimitedError, BusyError, UnavailableError.
    """
    return committer.run(_checked(actor_id, draft, conversation_id))


def submit_send(actor_id: int, message: SendMessage, done: Done, origin: str | None = None) -> None:
    """As `send` without waiting for the commit: `done` gets the outcome; `origin` (a sid) is not pushed to.

    What can be refused is refused before a private conversation is opened: an empty one would stay behind.
    """
    committer.submit(_checked(actor_id, message, message.conversation_id or message.group_id, origin), done)


def _checked(
    actor_id: int, draft: MessageDraft, conversation_id: int | None, origin: str | None = None
) -> message_ops.Send:
    """The op of a message that may be queued; without a conversation, for the one with `to_user_id`."""
    try:
        limits.hit("messages_per_user", actor_id)
        packed = _packed(draft.type, draft.content)
        if conversation_id is None:
            conversation_id = _private(actor_id, getattr(draft, "to_user_id", None) or 0, draft)
        return _send_op(actor_id, conversation_id, draft, packed, origin)
    except AppError as error:
        committer.current().note_refusal(actor_id, draft.client_id, error)
        raise


def _private(actor_id: int, other_id: int, draft: MessageDraft) -> int:
    """The conversation with a user, opened if need be; a reply needs one that there is already."""
    if draft.reply_to is not None and find_private(actor_id, other_id) is None:
        raise NotFoundError(_NO_SUCH_REPLY)
    return known_private(actor_id, other_id)


def _send_op(
    actor_id: int, conversation_id: int, draft: MessageDraft, packed: bytes, origin: str | None = None
) -> message_ops.Send:
    body = message_ops.Body(
        client_id=draft.client_id,
        kind=draft.type,
        content=packed,
        reply_to_seq=_seq_in(conversation_id, draft.reply_to),
        mentions=draft.mentions,
    )
    return message_ops.Send(actor_id, conversation_id, body, origin)


def _seq_in(conversation_id: int, message_id: str | None) -> int | None:
    if message_id is None:
        return None
    owner, seq = split_message_id(message_id)
    if owner != conversation_id:
        raise NotFoundError(_NO_SUCH_REPLY)
    return seq


def _packed(kind: str, content: dict[str, Any]) -> bytes:
    """Give the content as JSON; raises TextTooLongError, TooLargeError."""
    if kind == "text" and len(content["text"]) > settings.message_text_max_chars:
        raise TextTooLongError(f"A text may have {settings.message_text_max_chars} characters.")
    packed = orjson.dumps(content)
    if kind == "text" and len(packed) > _COLUMN_BYTES:  # many characters that take several bytes each
        raise TextTooLongError(f"A text may have {_COLUMN_BYTES} bytes as JSON.")
    if kind != "text" and len(packed) > settings.message_content_max_bytes:
        raise TooLargeError(f"The content may have {settings.message_content_max_bytes} bytes.")
    return packed


def forward(actor_id: int, order: ForwardMessage) -> dict[str, Any]:
    """Send what another message says to a conversation; raises as `send`, NotFoundError, MessageRecalledError."""
    limits.hit("messages_per_user", actor_id)
    row = _readable(actor_id, order.message_id)
    if row["type"] == SYSTEM:
        raise ForbiddenError
    body = message_ops.Body(
        client_id=order.client_id,
        kind=row["type"],
        content=row["content"].encode(),
        forwarded_from=row["forwarded_from"] or order.message_id,
    )
    return committer.run(message_ops.Send(actor_id, order.conversation_id, body))


def edit(actor_id: int, order: EditMessage) -> dict[str, Any]:
    """Change what one's own message says; gives {"message"}. Raises ForbiddenError, WindowClosedError and others."""
    row = _readable(actor_id, order.message_id)
    packed = _packed(row["type"], check_content(row["type"], order.content))
    return committer.run(message_ops.Edit(actor_id, split_message_id(order.message_id), row["type"], packed))


def recall(actor_id: int, message_id: str) -> dict[str, Any]:
    """Take a message back for everybody; gives {"message"}. Raises ForbiddenError, WindowClosedError."""
    return committer.run(message_ops.Recall(actor_id, *split_message_id(message_id)))


def set_pin(actor_id: int, message_id: str, *, pin: bool) -> dict[str, Any]:
    """Pin or unpin a message for everybody; gives {"message"}. Raises RoleRequiredError."""
    return committer.run(message_ops.SetPin(actor_id, split_message_id(message_id), pin=pin))


def get(actor_id: int, message_id: str) -> dict[str, Any]:
    """Read one message; raises NotAMemberError, NotFoundError."""
    return _shown(actor_id, [_row(actor_id, message_id)])[0]


def history(actor_id: int, conversation_id: int, query: HistoryQuery) -> HistoryPage:
    """Read a page of a conversation; raises NotAMemberError."""
    require_membership(actor_id, conversation_id)
    statement = select(*_COLUMNS).where(Message.conversation_id == conversation_id, visible_to(actor_id))
    if query.after is not None:
        statement = statement.where(Message.seq > query.after).order_by(Message.seq)
    else:
        statement = statement.order_by(Message.seq.desc())
    if query.before is not None:
        statement = statement.where(Message.seq < query.before)
    rows = db.session.execute(statement.limit(query.limit + 1)).mappings().all()
    return HistoryPage.model_validate(
        {"items": _shown(actor_id, rows[: query.limit]), "has_more": len(rows) > query.limit}
    )


def pins(actor_id: int, conversation_id: int, query: ListQuery) -> Page[MessageOut]:
    """Read a page of the pinned messages, the newest first; raises NotAMemberError."""
    require_membership(actor_id, conversation_id)
    pinned = and_(Pin.conversation_id == Message.conversation_id, Pin.seq == Message.seq)
    statement = (
        select(*_COLUMNS)
        .join(Pin, pinned)
        .where(Pin.conversation_id == conversation_id, visible_to(actor_id))
        .order_by(Pin.seq.desc())
    )
    if query.cursor is not None:
        statement = statement.where(Pin.seq < query.cursor)
    found = db.session.execute(statement.limit(query.limit + 1)).mappings().all()
    items = [MessageOut.model_validate(message) for message in _shown(actor_id, found[: query.limit])]
    return Page[MessageOut](items=items, next_cursor=str(items[-1].seq) if len(found) > query.limit else None)


def edits(actor_id: int, message_id: str, query: ListQuery) -> Page[EditOut]:
    """Read a page of what a message said before its edits, oldest first; raises NotAMemberError, NotFoundError."""
    _row(actor_id, message_id)
    conversation_id, seq = split_message_id(message_id)
    statement = (
        select(MessageEdit)
        .where(MessageEdit.conversation_id == conversation_id, MessageEdit.seq == seq)
        .where(MessageEdit.change > (query.cursor or 0))
        .order_by(MessageEdit.change)
    )
    found = db.session.scalars(statement.limit(query.limit + 1)).all()
    items = [
        EditOut(change=row.change, content=orjson.loads(row.content), edited_at=row.edited_at)
        for row in found[: query.limit]
    ]
    return Page[EditOut](items=items, next_cursor=str(items[-1].change) if len(found) > query.limit else None)


def _shown(actor_id: int, rows: Sequence[Any]) -> list[dict[str, Any]]:
    return reactions.for_user(actor_id, [message_wire(row) for row in rows])


def _row(actor_id: int, message_id: str) -> Any:
    conversation_id, seq = split_message_id(message_id)
    require_membership(actor_id, conversation_id)
    key = and_(Message.conversation_id == conversation_id, Message.seq == seq)
    row = db.session.execute(select(*_COLUMNS).where(key, visible_to(actor_id))).mappings().first()
    if row is None:
        raise NotFoundError
    return row


def _readable(actor_id: int, message_id: str) -> Any:
    row = _row(actor_id, message_id)
    if row["recalled_at"] is not None:
        raise MessageRecalledError
    return row
