"""Messages: send, forward, edit, recall, pin and read them.

Every write goes through the committer, which makes the checks that depend on the conversation's state.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import orjson
from sqlalchemy import RowMapping, Select, and_, func, select

from imapp.cluster import limits
from imapp.errors import (
    AppError,
    ClientIdConflictError,
    ForbiddenError,
    MessageRecalledError,
    NotFoundError,
    TextTooLongError,
    TooLargeError,
)
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
    MessageWire,
    SendMessage,
    message_wire,
    origin,
    split_message_id,
)
from imapp.services.messaging import reactions
from imapp.services.messaging.hidden_messages import visible_to
from imapp.services.messaging.membership import require_membership
from imapp.services.messaging.private_conversations import find_private, is_known, known_private
from imapp.services.write_path import committer, message_rules
from imapp.services.write_path.batch import Answer
from imapp.services.write_path.committer import Done

_COLUMNS = Message.__table__.columns

#: Maximum bytes of a content on MySQL and MariaDB: the size of its column.
_COLUMN_BYTES = 65_535

#: Maximum bytes of earlier versions in one page of edits.
_PAGE_BYTES = 250_000

#: Maximum bytes of contents in one page of messages (a single longer message is a page of its own), and number of
#: messages read by one query.
_SAID_BYTES = 1_000_000
_SLICE = 50

_NO_SUCH_REPLY = "The message to reply to is not in this conversation."


def send(actor_id: int, conversation_id: int, draft: MessageDraft) -> Answer:
    """Store a message and push it to the members; return {"message", "duplicate"} after the commit.

    Raises NotAMemberError, BlockedError, NotAContactError, MutedError, GroupDissolvedError, ClientIdConflictError,
    RoleRequiredError (@all), TextTooLongError, TooLargeError, RateLimitedError, BusyError, UnavailableError.
    """
    return committer.run(_checked(actor_id, draft, conversation_id))


def submit_send(actor_id: int, message: SendMessage, done: Done, origin: str | None = None) -> None:
    """Queue a message without waiting for the commit: `done` gets the outcome; nothing is pushed to `origin` (a sid).

    A bad message is refused before a private conversation is opened for it: otherwise an empty one would remain.
    """
    committer.submit(_checked(actor_id, message, message.conversation_id or message.group_id, origin), done)


def _checked(
    actor_id: int, draft: MessageDraft, conversation_id: int | None, origin: str | None = None
) -> message_rules.Send:
    """Return the op of a checked message; without `conversation_id`, for the conversation with `to_user_id`."""
    peer_id = reply_to_seq = None
    try:
        limits.hit("messages_per_user", actor_id)
        packed = _packed(draft.type, draft.content)
        if conversation_id is None:
            peer_id = getattr(draft, "to_user_id", None) or 0
            conversation_id = _private(actor_id, peer_id, draft)
        if draft.reply_to is not None:
            owner, reply_to_seq = split_message_id(draft.reply_to)
            if owner != conversation_id:
                raise NotFoundError(_NO_SUCH_REPLY)
    except AppError as error:
        committer.current().note_refusal(actor_id, draft.client_id, error)
        raise
    body = message_rules.Body(
        client_id=draft.client_id,
        kind=draft.type,
        content=packed,
        reply_to_seq=reply_to_seq,
        mentions=draft.mentions,
    )
    op = message_rules.Send(actor_id, conversation_id, body, origin)
    op.peer_id = peer_id
    return op


def _private(actor_id: int, other_id: int, draft: MessageDraft) -> int:
    """Return the conversation with a user, and open it if there is none.

    A message that the committer would refuse in a new conversation is refused first; otherwise it would remain empty.
    """
    if not is_known(actor_id, other_id) and find_private(actor_id, other_id) is None:
        if draft.reply_to is not None:
            raise NotFoundError(_NO_SUCH_REPLY)
        message_rules.require_mentionable(draft.mentions, is_admin=False)
        known = select(Message.seq).where(Message.sender_id == actor_id, Message.client_id == draft.client_id)
        if db.session.scalar(known) is not None:
            raise ClientIdConflictError
    return known_private(actor_id, other_id)


def _packed(kind: str, content: dict[str, Any]) -> bytes:
    """Return the content as JSON; raises TextTooLongError, TooLargeError."""
    if kind == "text" and len(content["text"]) > settings.message_text_max_chars:
        raise TextTooLongError(f"A text may have at most {settings.message_text_max_chars} characters.")
    packed = orjson.dumps(content)
    if kind == "text" and len(packed) > _COLUMN_BYTES:  # many characters that take several bytes each
        raise TextTooLongError(f"A text may have at most {_COLUMN_BYTES} bytes as JSON.")
    if kind != "text" and len(packed) > settings.message_content_max_bytes:
        raise TooLargeError(f"The content may have at most {settings.message_content_max_bytes} bytes.")
    return packed


def forward(actor_id: int, order: ForwardMessage) -> Answer:
    """Send the content of a message to a conversation; raises like `send`, and NotFoundError, MessageRecalledError."""
    limits.hit("messages_per_user", actor_id)
    # A retry must find the message that an earlier try stored, even if the source has been recalled.
    stored = select(*_COLUMNS).where(Message.sender_id == actor_id, Message.client_id == order.client_id)
    row = db.session.execute(stored).mappings().one_or_none() or _readable(actor_id, order.message_id)
    body = message_rules.Body(
        client_id=order.client_id,
        kind=row["type"],
        content=row["content"].encode(),
        forwarded_from=row["forwarded_from"] or origin(row["sender_id"], row["created_at"]),
    )
    return committer.run(message_rules.Send(actor_id, order.conversation_id, body, source=order.message_id))


def edit(actor_id: int, order: EditMessage) -> Answer:
    """Replace the content of the actor's own message; return {"message"}. The rate limit counts it like a message.

    Raises ForbiddenError, RoleRequiredError (@all), WindowClosedError, TooManyEditsError, RateLimitedError and others.
    """
    limits.hit("messages_per_user", actor_id)
    row = _readable(actor_id, order.message_id)
    content = check_content(row["type"], order.content)
    said = message_rules.Said(kind=row["type"], content=_packed(row["type"], content), mentions=order.mentions)
    return committer.run(message_rules.Edit(actor_id, split_message_id(order.message_id), said))


def recall(actor_id: int, message_id: str) -> Answer:
    """Recall a message for everybody; return {"message"}. Raises ForbiddenError, WindowClosedError."""
    return committer.run(message_rules.Recall(actor_id, *split_message_id(message_id)))


def set_pin(actor_id: int, message_id: str, *, pin: bool) -> Answer:
    """Pin or unpin a message for everybody; return {"message"}. Raises RoleRequiredError, RateLimitedError."""
    limits.hit("messages_per_user", actor_id)
    return committer.run(message_rules.SetPin(actor_id, split_message_id(message_id), pin=pin))


def get(actor_id: int, message_id: str) -> MessageWire:
    """Return one message; raises NotAMemberError, NotFoundError."""
    return _shown(actor_id, [_row(actor_id, message_id)])[0]


def history(actor_id: int, conversation_id: int, query: HistoryQuery) -> HistoryPage:
    """Return a page of a conversation; raises NotAMemberError. A page is bounded in bytes too, see HistoryPage."""
    require_membership(actor_id, conversation_id)
    statement = select(*_COLUMNS).where(Message.conversation_id == conversation_id, visible_to(actor_id))
    if query.after is not None:
        statement = statement.where(Message.seq > query.after)
    if query.before is not None:
        statement = statement.where(Message.seq < query.before)
    rows, has_more = _page(statement, query.limit, forward=query.after is not None)
    return HistoryPage.model_validate({"items": _shown(actor_id, rows), "has_more": has_more})


def _page(statement: Select[Any], limit: int, *, forward: bool) -> tuple[list[RowMapping], bool]:
    """Return up to `limit` rows with up to _SAID_BYTES of content, but at least one, and whether there are more.

    The rows are in order of seq. They are read in slices: a page of the longest messages is 13 MB, most of which would
    be discarded.
    """
    statement = statement.order_by(Message.seq if forward else Message.seq.desc())
    found: list[RowMapping] = []
    free = _SAID_BYTES
    has_more = True
    while has_more and len(found) < limit:
        rest = statement
        if found:
            last = found[-1]["seq"]
            rest = statement.where(Message.seq > last if forward else Message.seq < last)
        size = min(_SLICE, limit - len(found))
        rows = db.session.execute(rest.limit(size + 1)).mappings().all()
        has_more = len(rows) > size
        for row in rows[:size]:
            free -= len(row["content"].encode())
            if found and free < 0:
                return found, True
            found.append(row)
    return found, has_more


def pins(actor_id: int, conversation_id: int, query: ListQuery) -> Page[MessageOut]:
    """Return a page of the pinned messages, newest first; raises NotAMemberError."""
    require_membership(actor_id, conversation_id)
    pinned = and_(Pin.conversation_id == Message.conversation_id, Pin.seq == Message.seq)
    statement = select(*_COLUMNS).join(Pin, pinned).where(Pin.conversation_id == conversation_id, visible_to(actor_id))
    if query.cursor is not None:
        statement = statement.where(Message.seq < query.cursor)
    found, has_more = _page(statement, query.limit, forward=False)
    items = [MessageOut.model_validate(message) for message in _shown(actor_id, found)]
    return Page[MessageOut](items=items, next_cursor=str(items[-1].seq) if has_more else None)


def edits(actor_id: int, message_id: str, query: ListQuery) -> Page[EditOut]:
    """Return a page of a message's versions before its edits, oldest first; raises NotAMemberError, NotFoundError.

    A page is bounded in bytes too, since each version may be as long as a message.
    """
    _row(actor_id, message_id)
    conversation_id, seq = split_message_id(message_id)
    mine = MessageEdit.conversation_id == conversation_id, MessageEdit.seq == seq
    sizes = select(MessageEdit.change, func.length(MessageEdit.content)).where(*mine)
    sizes = sizes.where(MessageEdit.change > (query.cursor or 0)).order_by(MessageEdit.change)
    found = db.session.execute(sizes.limit(query.limit + 1)).tuples().all()
    totals = accumulate(size for _, size in found)
    # The first versions always fit: see _COLUMN_BYTES.
    changes = [change for (change, _), total in zip(found, totals, strict=True) if total <= _PAGE_BYTES][: query.limit]
    rows = db.session.scalars(
        select(MessageEdit).where(*mine, MessageEdit.change.in_(changes)).order_by(MessageEdit.change)
    )
    items = [EditOut(change=row.change, content=orjson.loads(row.content), edited_at=row.edited_at) for row in rows]
    return Page[EditOut](items=items, next_cursor=str(changes[-1]) if len(found) > len(changes) else None)


def _shown(actor_id: int, rows: Sequence[RowMapping]) -> list[MessageWire]:
    return reactions.for_user(actor_id, [message_wire(row) for row in rows])


def _row(actor_id: int, message_id: str) -> RowMapping:
    conversation_id, seq = split_message_id(message_id)
    require_membership(actor_id, conversation_id)
    key = and_(Message.conversation_id == conversation_id, Message.seq == seq)
    row = db.session.execute(select(*_COLUMNS).where(key, visible_to(actor_id))).mappings().first()
    if row is None:
        raise NotFoundError
    return row


def _readable(actor_id: int, message_id: str) -> RowMapping:
    """Return a user's message; raises MessageRecalledError, ForbiddenError for system lines, and like `_row`."""
    row = _row(actor_id, message_id)
    if row["type"] == SYSTEM:
        raise ForbiddenError
    if row["recalled_at"] is not None:
        raise MessageRecalledError
    return row
