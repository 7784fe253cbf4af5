"""Typing notifications: pushed to the other members, never stored."""

import orjson
from sqlalchemy import select

from imapp.clock import now
from imapp.cluster.bus import bus
from imapp.errors import NotAMemberError
from imapp.events import UserStopTyping, UserTyping
from imapp.extensions import db, settings
from imapp.models.conversations import Conversation
from imapp.services.write_path.batch_statements import RIGHTS, over_pairs
from imapp.services.write_path.permissions import check_voice
from imapp.services.write_path.rows import rights_of


def tell(actor_id: int, conversation_id: int, sid: str, *, is_typing: bool) -> None:
    """Push to the other members that the actor starts or stops typing.

    Nothing is pushed in groups with more than group_receipts_max_members members: it would wake every phone. Raises
    NotAMemberError, and the errors with which a message would be refused: BlockedError, NotAContactError, MutedError,
    GroupDissolvedError.
    """
    keys = orjson.dumps([[conversation_id, actor_id]]).decode()
    found = db.session.scalar(over_pairs(RIGHTS, db.engine.dialect.name), {"keys": keys})
    rights = None if found is None else rights_of(found)
    if rights is None or rights.left_at is not None:
        raise NotAMemberError
    members = rights.member_count
    check_voice("private" if members is None else "group", rights, now())
    if members is None:  # a private conversation: before its first message, the other side is not shown it
        last_seq = select(Conversation.last_seq).where(Conversation.id == conversation_id)
        is_heard = bool(db.session.scalar(last_seq))
    else:
        is_heard = members <= settings.group_receipts_max_members
    if is_heard:
        event = UserTyping if is_typing else UserStopTyping
        pushed = event(conversation_id=conversation_id, user_id=actor_id)
        bus.publish(pushed, bus.conversation_room(conversation_id), skip_sid=sid)
