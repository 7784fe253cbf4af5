"""Changes to a conversation outside the committer: membership and settings, inside `database.atomic`.

Order in a transaction: `lock` the conversation (several: in id order), check, change, `record` the event,
`system_line` for the line in the timeline. Publish the returned events after the commit.
"""

import orjson
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from imapp.clock import now
from imapp.cluster.bus import bus
from imapp.errors import NotFoundError
from imapp.events import ConversationEvent, MessageCreated
from imapp.models.changes import Change
from imapp.models.conversations import Conversation, ConversationMember
from imapp.models.messages import Message
from imapp.schemas.contents import SYSTEM
from imapp.schemas.messages import MessageOut, message_wire
from imapp.services import affected_rooms


def lock(session: Session, conversation_id: int) -> Conversation:
    """Lock a conversation until the end of the transaction; raises NotFoundError."""
    statement = select(Conversation).where(Conversation.id == conversation_id).with_for_update()
    conversation = session.scalar(statement)
    if conversation is None:
        raise NotFoundError
    return conversation


def record(session: Session, conversation: Conversation, event: ConversationEvent) -> ConversationEvent:
    """Set the change number of `event` and log it; return it for publishing after the commit."""
    conversation.last_change += 1
    event.change = conversation.last_change
    data = event.model_dump_json(exclude={"change"})
    _log(session, conversation, event.name, data=data)
    return event


def system_line(
    session: Session, conversation: Conversation, actor_id: int, content: dict[str, object]
) -> MessageCreated:
    """Append a system line to the timeline, with the actor as its sender; return the event to publish."""
    conversation.last_seq += 1
    conversation.last_change += 1
    conversation.active_at = now()
    message = Message(
        conversation_id=conversation.id, seq=conversation.last_seq, change=conversation.last_change,
        sender_id=actor_id, type=SYSTEM, content=orjson.dumps(content).decode(), created_at=conversation.active_at,
    )  # fmt: skip
    session.add(message)
    _log(session, conversation, MessageCreated.name, seq=message.seq)
    session.execute(
        update(ConversationMember)
        .where(ConversationMember.conversation_id == conversation.id, ConversationMember.user_id == actor_id)
        .values(read_seq=message.seq)
    )
    session.flush()
    row = {column.name: getattr(message, column.name) for column in Message.__table__.columns}
    return MessageCreated(message=MessageOut.model_validate(message_wire(row)))


def _log(
    session: Session, conversation: Conversation, event: str, *, seq: int | None = None, data: str | None = None
) -> None:
    affected_rooms.note(session, bus.conversation_room(conversation.id))
    session.add(
        Change(
            conversation_id=conversation.id,
            change=conversation.last_change,
            event=event,
            seq=seq,
            data=data,
            created_at=now(),
        )
    )
