"""A user changes the own profile, and everybody whose own lists show the user is told.

Their rows get new versions, so that `sync` tells who is away. It costs the same few statements however many they
are; only the slices of very many make more. Counters are locked first, in id order, then rows, then the profile: as
everywhere, so that nobody waits in a circle.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import and_, select, true, union_all, update
from sqlalchemy.orm import Session

from imapp.cluster import bus, limits
from imapp.database import atomic
from imapp.events import UserUpdated
from imapp.models.contacts import Block, Contact, ContactRequest
from imapp.models.conversations import Conversation, ConversationMember
from imapp.models.own_state import UserState
from imapp.models.users import User
from imapp.schemas.users import MeOut, ProfileIn, UserOut
from imapp.services import own_state
from imapp.services.membership import is_seen
from imapp.services.users import nickname_key

#: Rows that one statement names: SQLite takes 32,766 parameters.
_SLICE = 5_000


@dataclass(frozen=True)
class _List:
    """Rows of `owner`'s own state that show the user `shown`, and where their version stands.

    `is_mutual`: for each there is one in the other direction, which an index finds.
    """

    version: Any
    owner: Any
    shown: Any
    is_alive: Any = field(default_factory=true)
    is_mutual: bool = False


#: Each list's rows take a version of their own, in this order; the conversations take the one after them.
_LISTS = (
    _List(Contact.version, Contact.user_id, Contact.contact_id, Contact.removed_at.is_(None), is_mutual=True),
    _List(ContactRequest.from_version, ContactRequest.from_user_id, ContactRequest.to_user_id),
    _List(ContactRequest.to_version, ContactRequest.to_user_id, ContactRequest.from_user_id),
    _List(Block.version, Block.user_id, Block.blocked_id, Block.removed_at.is_(None)),
)
_CONVERSATIONS = _List(ConversationMember.version, ConversationMember.user_id, None)
_STEPS = len(_LISTS) + 1


@dataclass(frozen=True)
class _Viewers:
    """Who has a user in the own state: the owners of each list, and the peers by private conversation."""

    owners: list[list[int]]
    peers: dict[int, int]

    def user_ids(self) -> set[int]:
        """All of them."""
        return {*self.peers.values(), *(user_id for owners in self.owners for user_id in owners)}


def update_me(actor_id: int, changes: ProfileIn) -> MeOut:
    """Change the fields of the caller's profile that are given; raises RateLimitedError."""
    limits.hit("profile_changes_per_user", actor_id)
    return write(actor_id, changes.model_dump(exclude_unset=True))


def write(user_id: int, columns: dict[str, Any]) -> MeOut:
    """Change columns of an account and tell everybody who is shown it."""
    return _publish(*atomic(_update, user_id, columns, False))


def announce(user_id: int) -> None:
    """Tell everybody who is shown an account that it was closed or opened again."""
    _publish(*atomic(_update, user_id, {}, True))


def _publish(me: MeOut, viewers: set[int], steps: int) -> MeOut:
    if steps:
        bus.publish(UserUpdated(user=me), bus.user_room(me.id), versions=steps)
    if viewers:
        rooms = map(bus.user_room, sorted(viewers))
        bus.publish(UserUpdated(user=_as_others_see(me)), *rooms, versions=_STEPS)
    return me


def _as_others_see(me: MeOut) -> UserOut:
    """By its fields: for pydantic a MeOut is a UserOut already, with all that is the owner's alone."""
    return UserOut(**me.model_dump(include=set(UserOut.model_fields)))


def _update(session: Session, user_id: int, wanted: dict[str, Any], is_public: bool) -> tuple[MeOut, set[int], int]:
    """Give the account, who is to be told besides its owner, and how many versions the owner's counter has moved.

    `is_public`: what everybody sees has changed already.
    """
    user = session.get_one(User, user_id)
    changed = {name for name, value in wanted.items() if getattr(user, name) != value}
    if not changed and not is_public:
        return MeOut.model_validate(user), set(), 0
    is_public = is_public or not changed.isdisjoint(UserOut.model_fields)
    viewers = _renumber(session, user_id) if is_public else set()
    version = own_state.next_version(session, user_id)
    session.refresh(user)  # another device may have changed it while the counter was waited for
    for name, value in wanted.items():
        setattr(user, name, value)
    user.nickname_key = nickname_key(user.nickname)
    user.revision, user.version = user.revision + is_public, version
    session.flush()
    return MeOut.model_validate(user), viewers, 1 + is_public * _STEPS


# -- whose own state shows the user ----------------------------------------------------------------------------------


def _renumber(session: Session, user_id: int) -> set[int]:
    """Give new versions to all rows of others' own state that show the user; gives whose they are.

    Whoever begins to show the user takes the user's counter: who did so before it was locked is found when the
    viewers are read once more.
    """
    locked = _viewers(session, user_id).user_ids()
    _advance(session, locked | {user_id})
    viewers = _viewers(session, user_id)
    _advance(session, viewers.user_ids() - locked)
    for step, (rows, owners) in enumerate(zip(_LISTS, viewers.owners, strict=True), 1):
        for some in _slices(owners):
            _write(session, rows, step, rows.owner.in_(some), rows.shown == user_id, rows.is_alive)
    member = ConversationMember
    for some in _slices(sorted(viewers.peers)):
        _write(session, _CONVERSATIONS, _STEPS, member.conversation_id.in_(some), member.user_id != user_id)
    return viewers.user_ids()


def _viewers(session: Session, user_id: int) -> _Viewers:
    low, high = Conversation.user_low_id, Conversation.user_high_id
    private = union_all(*(_who_see(peer).where(own == user_id) for own, peer in ((low, high), (high, low))))
    owners = [sorted(session.scalars(_owners(rows, user_id))) for rows in _LISTS]
    return _Viewers(owners, {id_: peer_id for id_, peer_id in session.execute(private) if peer_id is not None})


def _who_see(peer: Any) -> Any:
    """Private conversations, each with its side `peer`, as far as that user is shown them."""
    row = and_(ConversationMember.conversation_id == Conversation.id, ConversationMember.user_id == peer)
    return select(Conversation.id, peer).join(ConversationMember, row).where(is_seen())


def _owners(rows: _List, user_id: int) -> Any:
    theirs, users = (rows.shown, rows.owner) if rows.is_mutual else (rows.owner, rows.shown)
    return select(theirs).where(users == user_id, rows.is_alive)


def _advance(session: Session, user_ids: set[int]) -> None:
    for some in _slices(sorted(user_ids)):
        own_state.advance(session, some, _STEPS)


def _write(session: Session, rows: _List, step: int, *which: Any) -> None:
    """Number the rows by their owners' counters, which have been advanced by all steps."""
    counter = select(UserState.version - (_STEPS - step)).where(UserState.user_id == rows.owner).scalar_subquery()
    numbered = update(rows.version.class_).where(*which).values({rows.version: counter})
    session.execute(numbered, execution_options={"synchronize_session": False})


def _slices(found: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(found), _SLICE):
        yield found[start : start + _SLICE]
