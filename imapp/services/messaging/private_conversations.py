"""The private conversation of two users: one for each pair, created when it is first needed.

Both become members at once. Before the first message, only the user that opened the conversation is shown it.
"""

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from imapp.clock import now
from imapp.cluster import limits
from imapp.cluster.bus import bus
from imapp.database.transactions import atomic
from imapp.errors import NotFoundError, OneselfError, RecipientGoneError
from imapp.events import ConversationUpdated
from imapp.extensions import db
from imapp.models.conversations import UNSEEN, Conversation, ConversationMember
from imapp.models.users import User
from imapp.schemas.conversations import ConversationState
from imapp.services import affected_rooms, own_versions
from imapp.services.contacts.reachability import require_reach
from imapp.services.messaging import quotas
from imapp.services.messaging.conversation_settings import state_of
from imapp.services.write_path.private_ids import private_ids


def find_private(user_id: int, other_id: int) -> int | None:
    """Return the id of the conversation of two users, or None if they have none yet."""
    low, high = sorted((user_id, other_id))
    statement = select(Conversation.id).where(Conversation.user_low_id == low, Conversation.user_high_id == high)
    return db.session.scalar(statement)


def open_private(actor_id: int, other_id: int) -> tuple[int, bool]:
    """Open the private conversation of two users; return (id, whether this call created it).

    Raises NotFoundError for an unknown user, RecipientGoneError, OneselfError, BlockedError, NotAContactError,
    RateLimitedError, TooManyConversationsError.
    """
    if actor_id == other_id:
        raise OneselfError
    found = find_private(actor_id, other_id)
    if found is not None:
        _enter_room(found, actor_id, other_id)  # the node that created it may have died before this
        own = ConversationMember.conversation_id == found, ConversationMember.user_id == actor_id
        if db.session.scalar(select(ConversationMember.standing).where(*own)) == UNSEEN:
            state = atomic(_see, found, actor_id)
            bus.publish(ConversationUpdated(conversation=state), bus.user_room(actor_id))
        return found, False
    limits.hit("conversations_opened_per_user", actor_id)
    quotas.require_room_for_conversation(actor_id)
    try:
        state = atomic(_create, actor_id, other_id)
    except IntegrityError:
        if find_private(actor_id, other_id) is None:
            raise  # the other side did not create it first: the cause is something else
        return open_private(actor_id, other_id)
    _enter_room(state.conversation_id, actor_id, other_id)
    bus.publish(ConversationUpdated(conversation=state), bus.user_room(actor_id))
    return state.conversation_id, True


def _enter_room(conversation_id: int, *user_ids: int) -> None:
    """Put the users' connections into the room before any message is pushed there; this does not wait."""
    for user_id in user_ids:
        bus.enter(user_id, bus.conversation_room(conversation_id))


def is_known(actor_id: int, other_id: int) -> bool:
    """Return whether `known_private` needs no query."""
    return private_ids().get(actor_id, other_id) is not None


def known_private(actor_id: int, other_id: int) -> int:
    """Return the id of the conversation, for sending: from the cache, or from `open_private`, which may raise."""
    known = private_ids()
    found = known.get(actor_id, other_id)
    if found is None:
        found, _ = open_private(actor_id, other_id)
        known.add(actor_id, other_id, found)
    return found


def _create(session: Session, actor_id: int, other_id: int) -> ConversationState:
    low, high = sorted((actor_id, other_id))
    other = session.get(User, other_id)
    if other is None:
        raise NotFoundError("There is no such user.")
    require_reach(session, actor_id, other_id)
    if other.is_closed:
        raise RecipientGoneError
    moment = now()
    conversation = Conversation(
        type="private",
        user_low_id=low,
        user_high_id=high,
        active_at=moment,
        created_at=moment,
        last_seq=0,
        last_change=0,
    )
    session.add(conversation)
    session.flush()
    affected_rooms.note(session, bus.user_room(other_id))
    facts = {"conversation_id": conversation.id, "joined_at": moment}
    own = ConversationMember(**facts, user_id=actor_id, version=own_versions.next_version(session, actor_id))
    session.add_all([own, ConversationMember(**facts, user_id=other_id, standing=UNSEEN)])
    session.flush()
    return state_of(own)


def _see(session: Session, conversation_id: int, actor_id: int) -> ConversationState:
    """Show the actor a conversation that the other side opened."""
    version = own_versions.next_version(session, actor_id)
    own = session.get_one(ConversationMember, (conversation_id, actor_id), populate_existing=True)
    own.standing, own.version = None, version
    session.flush()
    return state_of(own)
