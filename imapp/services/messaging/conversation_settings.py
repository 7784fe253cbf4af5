"""A user's own settings of a conversation: pinned, muted, hidden, marked unread, draft. The last write wins."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from imapp.clock import now
from imapp.cluster.bus import bus
from imapp.database.transactions import atomic
from imapp.errors import NotAMemberError
from imapp.events import ConversationUpdated
from imapp.models.conversations import Conversation, ConversationMember
from imapp.schemas.conversations import ConversationPatch, ConversationState
from imapp.services import own_versions


def change(actor_id: int, conversation_id: int, patch: ConversationPatch) -> ConversationState:
    """Change the settings that the patch names and notify the actor's devices; raises NotAMemberError."""
    wanted = patch.model_dump(exclude_unset=True, exclude={"conversation_id"})
    state = atomic(_change, actor_id, conversation_id, wanted)
    bus.publish(ConversationUpdated(conversation=state), bus.user_room(actor_id))
    return state


def state_of(member: ConversationMember) -> ConversationState:
    """Return a member's own state, in the form used by events and `sync`."""
    return ConversationState(
        conversation_id=member.conversation_id,
        read_seq=member.read_seq,
        pinned_at=member.pinned_at,
        is_muted=member.is_muted,
        hidden_seq=member.hidden_seq,
        is_marked_unread=member.is_marked_unread,
        draft=member.draft,
        removed=member.left_at is not None,
        version=member.version,
    )


def _change(session: Session, actor_id: int, conversation_id: int, wanted: dict[str, Any]) -> ConversationState:
    version = own_versions.next_version(session, actor_id)  # locks the counter: the actor's devices take turns
    member = session.get(ConversationMember, (conversation_id, actor_id))
    if member is None or member.left_at is not None:
        raise NotAMemberError
    for name, value in wanted.items():
        match name:
            case "is_pinned":
                member.pinned_at = (member.pinned_at or now()) if value else None
            case "is_hidden":
                last_seq = select(Conversation.last_seq).where(Conversation.id == conversation_id)
                member.hidden_seq = session.scalar(last_seq) if value else None
            case "draft":
                member.draft = value or None
            case _:
                setattr(member, name, value)
    member.version = version
    session.flush()
    return state_of(member)
