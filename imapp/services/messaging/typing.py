"""Typing notifications: pushed to the other members, never stored."""

import orjson
from sqlalchemy import select

from imapp.clock import now
from imapp.cluster.bus import bus
from imapp.errors import NotAMemberError
from imapp.events import UserStopTyping, UserTyping
from imapp.extensions import db, settings
from imapp.models.conversations import Conversation
from imapp.services.write_path.batch_statements import RIGHTS, over_pairs, rights
from imapp.services.write_path.permissions import check_voice


def tell(actor_id: int, conversation_id: int, sid: str, *, is_typing: bool) -> None:
    """Push to the other members that the actor starts or stops typing.

    Nothing is pushed in groups with more than group_receipts_max_members members: it would wake every phone. Raises
    NotAMemberError, and the errors with which a message would be refused: BlockedError, NotAContactError, MutedError,
    GroupDissolvedError.
    """
    keys = orjson.dumps([[conversation_id, actor_id]]).decode()
    found = db.session.scalar(over_pairs(RIGHTS, db.engine.dialect.name), {"keys": keys})
    row = None if found is None else rights(found)
    if row is None or row["left_at"] is not None:
        raise NotAMemberError
    is_group = row["member_count"] is not None
    check_voice("group" if is_group else "private", row, now())
    if row["member_count"] <= settings.group_receipts_max_members if is_group else _has_begun(conversation_id):
        event = UserTyping if is_typing else UserStopTyping
        pushed = event(conversation_id=conversation_id, user_id=actor_id)
        bus.publish(pushed, bus.conversation_room(conversation_id), skip_sid=sid)


def _has_begun(conversation_id: int) -> bool:
    """Return whether a private conversation has a message: before that, the other side is not shown it."""
    return bool(db.session.scalar(select(Conversation.last_seq).where(Conversation.id == conversation_id)))
