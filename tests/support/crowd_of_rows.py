"""Inserts many messages directly into the tables, as if they had been sent at a given time."""

from datetime import datetime
from uuid import uuid4

import orjson
from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from imapp.models.changes import Change
from imapp.models.conversations import Conversation
from imapp.models.messages import Message

_ROWS = 1000


def fill(session: Session, conversation_id: int, sender_id: int, count: int, moment: datetime) -> None:
    """Append `count` texts to a conversation, all sent at `moment`. For use with `database.atomic`."""
    head = session.get_one(Conversation, conversation_id)
    first_seq, first_change = head.last_seq + 1, head.last_change + 1
    facts = {"conversation_id": conversation_id, "created_at": moment}
    body = {**facts, "sender_id": sender_id, "type": "text"}
    for start in range(0, count, _ROWS):
        numbers = range(start, min(start + _ROWS, count))
        session.execute(
            insert(Message),
            [
                {
                    **body, "seq": first_seq + n, "change": first_change + n, "client_id": uuid4().hex,
                    "content": orjson.dumps({"text": f"line {first_seq + n} 你好"}).decode(),
                }
                for n in numbers
            ],
        )  # fmt: skip
        rows = [
            {**facts, "event": "message_created", "seq": first_seq + n, "change": first_change + n} for n in numbers
        ]
        session.execute(insert(Change), rows)
    ends = {"last_seq": head.last_seq + count, "last_change": head.last_change + count, "active_at": moment}
    session.execute(update(Conversation).where(Conversation.id == conversation_id).values(**ends))
