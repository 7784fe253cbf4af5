"""The list of a user's conversations, and opening one. A page costs five queries, regardless of its length."""

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import Row, Select, and_, case, func, or_, select

from imapp.clock import from_unix_ms, unix_ms
from imapp.cluster.bus import bus
from imapp.errors import NotAMemberError
from imapp.extensions import db
from imapp.models.conversations import Conversation, ConversationMember
from imapp.models.groups import Group
from imapp.models.messages import Mention, Message
from imapp.models.users import User
from imapp.schemas.base import Page, cut
from imapp.schemas.conversations import ConversationOut, ConversationsQuery
from imapp.schemas.messages import MessageOut, message_wire
from imapp.schemas.users import UserOut
from imapp.services.messaging import reactions
from imapp.services.messaging.hidden_messages import visible_to
from imapp.services.messaging.membership import is_seen, require_membership
from imapp.services.messaging.private_conversations import open_private
from imapp.services.write_path.batch_statements import MESSAGE_TIMES, MESSAGES, over_pairs
from imapp.services.write_path.message_rules import EVERYBODY

_is_pinned = case((ConversationMember.pinned_at.is_not(None), 1), else_=0)


def list_conversations(actor_id: int, query: ConversationsQuery) -> Page[ConversationOut]:
    """Return a page of the actor's conversations without hidden ones: pinned ones first, then by last activity."""
    shown = or_(ConversationMember.hidden_seq.is_(None), Conversation.last_seq > ConversationMember.hidden_seq)
    statement = _rows_of(actor_id).where(shown, is_seen())
    if query.cursor is not None:
        pinned, moment_ms, last_id = map(int, query.cursor.split("."))
        active_at = from_unix_ms(moment_ms)
        older = and_(Conversation.active_at == active_at, Conversation.id < last_id)
        same = and_(_is_pinned == pinned, or_(Conversation.active_at < active_at, older))
        statement = statement.where(or_(_is_pinned < pinned, same))
    statement = statement.order_by(_is_pinned.desc(), Conversation.active_at.desc(), Conversation.id.desc())
    found = db.session.execute(statement.limit(query.limit + 1)).all()
    rows, cursor = cut(found, query.limit, lambda row: f"{int(bool(row.pinned_at))}.{unix_ms(row.active_at)}.{row.id}")
    return Page[ConversationOut](items=_represent(actor_id, rows), next_cursor=cursor)


def get(actor_id: int, conversation_id: int) -> ConversationOut:
    """Return one conversation, even if hidden; raises NotAMemberError, also if the conversation does not exist."""
    rows = db.session.execute(_rows_of(actor_id).where(Conversation.id == conversation_id)).all()
    if not rows:
        raise NotAMemberError
    return _represent(actor_id, rows)[0]


def open_with(actor_id: int, user_id: int) -> tuple[ConversationOut, bool]:
    """Return the private conversation with a user and whether it is new; raises the errors of `open_private`."""
    conversation_id, is_new = open_private(actor_id, user_id)
    return get(actor_id, conversation_id), is_new


def join_room(actor_id: int, conversation_id: int, sid: str) -> None:
    """Subscribe one connection to a conversation; raises NotAMemberError."""
    require_membership(actor_id, conversation_id)
    room = bus.conversation_room(conversation_id)
    bus.enter_connection(sid, room)
    db.session.close()  # return the database connection to the pool during the wait
    bus.settle()
    try:
        require_membership(actor_id, conversation_id)
    except NotAMemberError:  # removed during the wait; the removal took out only connections already in the room
        bus.leave_connection(sid, room)
        raise


def leave_room(actor_id: int, conversation_id: int, sid: str) -> None:
    """Unsubscribe one connection from a conversation until it joins again or reconnects."""
    bus.leave_connection(sid, bus.conversation_room(conversation_id))


# -- the page ----------------------------------------------------------------------------------------------------


def _rows_of(user_id: int) -> Select[Any]:
    return (
        select(
            Conversation.id, Conversation.type, Conversation.first_seq, Conversation.last_seq, Conversation.last_change,
            Conversation.active_at, Conversation.user_low_id, Conversation.user_high_id, ConversationMember.read_seq,
            ConversationMember.pinned_at, ConversationMember.is_muted, ConversationMember.hidden_seq,
            ConversationMember.is_marked_unread, ConversationMember.draft, ConversationMember.role,
            ConversationMember.muted_until, Group.name, Group.avatar_url, Group.member_count, Group.is_muted_all,
            Group.dissolved_at,
        )
        .join(ConversationMember, ConversationMember.conversation_id == Conversation.id)
        .outerjoin(Group, Group.id == Conversation.id)
        .where(ConversationMember.user_id == user_id, ConversationMember.left_at.is_(None))
    )  # fmt: skip


def _represent(user_id: int, rows: Sequence[Row[Any]]) -> list[ConversationOut]:
    ids = [row.id for row in rows]
    messages = _last_messages(user_id, ids)
    mentions = _mention_counts(user_id, rows)
    peers = _peers(user_id, [row.id for row in rows if row.type == "private"])
    return [_out(user_id, row, messages.get(row.id), mentions.get(row.id, 0), peers.get(row.id)) for row in rows]


def _last_messages(user_id: int, ids: list[int]) -> dict[int, MessageOut]:
    if not ids:
        return {}
    newest = (
        select(Message.seq)
        .where(Message.conversation_id == Conversation.id, visible_to(user_id))
        .order_by(Message.seq.desc())
        .limit(1)
        .correlate(Conversation)
        .scalar_subquery()
    )
    keys = db.session.execute(select(Conversation.id, newest).where(Conversation.id.in_(ids))).all()
    pairs = [[id_, seq] for id_, seq in keys if seq is not None]
    if not pairs:
        return {}
    statement = over_pairs(MESSAGES, db.engine.dialect.name, **MESSAGE_TIMES)
    found = db.session.execute(statement, {"keys": orjson.dumps(pairs).decode()})
    shown = reactions.for_user(user_id, [message_wire(row) for row in found.mappings()])
    return {message["conversation_id"]: MessageOut.model_validate(message) for message in shown}


def _mention_counts(user_id: int, rows: Sequence[Row[Any]]) -> dict[int, int]:
    unread = [
        and_(Mention.conversation_id == row.id, Mention.user_id.in_((EVERYBODY, user_id)), Mention.seq > row.read_seq)
        for row in rows
        if row.last_seq > row.read_seq
    ]
    if not unread:
        return {}
    statement = (
        select(Mention.conversation_id, func.count(Mention.seq.distinct()))
        .join(Message, and_(Message.conversation_id == Mention.conversation_id, Message.seq == Mention.seq))
        .where(or_(*unread), Message.sender_id != user_id)
        .group_by(Mention.conversation_id)
    )
    return dict(db.session.execute(statement).tuples().all())


def _peers(user_id: int, ids: list[int]) -> dict[int, Row[Any]]:
    if not ids:
        return {}
    statement = (
        select(ConversationMember.conversation_id, ConversationMember.read_seq, User)
        .join(User, User.id == ConversationMember.user_id)
        .where(ConversationMember.conversation_id.in_(ids), ConversationMember.user_id != user_id)
        .execution_options(populate_existing=True)
    )
    return {row.conversation_id: row for row in db.session.execute(statement)}


def _out(
    user_id: int, row: Row[Any], last_message: MessageOut | None, mention_count: int, peer: Row[Any] | None
) -> ConversationOut:
    is_group = row.type == "group"
    return ConversationOut(
        id=row.id,
        type=row.type,
        first_seq=row.first_seq,
        last_seq=row.last_seq,
        last_change=row.last_change,
        read_seq=row.read_seq,
        unread=max(0, row.last_seq - row.read_seq),
        mention_count=mention_count,
        last_message=last_message,
        active_at=row.active_at,
        pinned_at=row.pinned_at,
        is_muted=row.is_muted,
        is_hidden=row.hidden_seq is not None and row.last_seq <= row.hidden_seq,
        is_marked_unread=row.is_marked_unread,
        draft=row.draft,
        peer_id=peer.User.id if peer else None,
        peer=UserOut.model_validate(peer.User) if peer else None,
        peer_read_seq=peer.read_seq if peer else None,
        name=row.name,
        avatar_url=row.avatar_url,
        member_count=row.member_count,
        role=row.role if is_group else None,
        muted_until=row.muted_until if is_group else None,
        is_muted_all=row.is_muted_all,
        dissolved_at=row.dissolved_at,
    )
