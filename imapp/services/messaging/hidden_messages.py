"""Deleting messages for oneself: they disappear for this user only, on all devices."""

from sqlalchemy import ColumnElement, exists, insert, select
from sqlalchemy.orm import Session

from imapp.cluster.bus import bus
from imapp.database.transactions import atomic
from imapp.errors import NotAMemberError, NotFoundError
from imapp.events import MessagesHidden
from imapp.models.conversations import Conversation, ConversationMember
from imapp.models.messages import HiddenMessage, Message
from imapp.schemas.messages import HideMessages, message_id, split_message_id
from imapp.services import own_versions

#: (conversation, seq)
Key = tuple[int, int]


def hide(actor_id: int, order: HideMessages) -> MessagesHidden:
    """Hide messages from the actor, and return the event pushed to the actor's devices. Repeating it changes nothing.

    Raises NotAMemberError, NotFoundError; in that case nothing was hidden.
    """
    keys = sorted({split_message_id(one) for one in order.message_ids})
    event = atomic(_hide, actor_id, keys)
    bus.publish(event, bus.user_room(actor_id))
    return event


def visible_to(user_id: int) -> ColumnElement[bool]:
    """Return a condition that leaves out the messages that the user deleted for themselves."""
    return ~exists().where(
        HiddenMessage.user_id == user_id,
        HiddenMessage.conversation_id == Message.conversation_id,
        HiddenMessage.seq == Message.seq,
    )


def _hide(session: Session, actor_id: int, keys: list[Key]) -> MessagesHidden:
    version = own_versions.next_version(session, actor_id)  # locks the counter: two devices take turns
    _require_readable(session, actor_id, keys)
    hidden = select(HiddenMessage.conversation_id, HiddenMessage.seq).where(
        HiddenMessage.user_id == actor_id,
        HiddenMessage.conversation_id.in_({conversation_id for conversation_id, _ in keys}),
        HiddenMessage.seq.in_({seq for _, seq in keys}),
    )
    fresh = sorted(set(keys).difference(session.execute(hidden).tuples()))
    if fresh:
        rows = [{"user_id": actor_id, "conversation_id": c, "seq": s, "version": version} for c, s in fresh]
        session.execute(insert(HiddenMessage), rows)
    return MessagesHidden(message_ids=[message_id(*key) for key in keys], version=version)


def _require_readable(session: Session, actor_id: int, keys: list[Key]) -> None:
    """Raise NotAMemberError or NotFoundError. Numbers have no holes: every seq up to the last one exists."""
    statement = (
        select(Conversation.id, Conversation.last_seq)
        .join(ConversationMember, ConversationMember.conversation_id == Conversation.id)
        .where(Conversation.id.in_({conversation_id for conversation_id, _ in keys}))
        .where(ConversationMember.user_id == actor_id, ConversationMember.left_at.is_(None))
    )
    heads = dict(session.execute(statement).tuples().all())
    for conversation_id, seq in keys:
        if conversation_id not in heads:
            raise NotAMemberError
        if seq > heads[conversation_id]:
            raise NotFoundError
