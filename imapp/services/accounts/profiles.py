"""Changes of a user's profile, and the notification of its viewers: the users that have the user in their own lists.

The viewers' rows get new versions, so that `sync` reports the change to offline devices. The number of statements does
not depend on the number of viewers, except that very many are split into slices. Counters are locked first, in id
order, then rows, then the profile. The order is the same everywhere, against deadlocks.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, select, true, union_all, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from imapp.cluster import limits
from imapp.cluster.bus import bus
from imapp.database.transactions import atomic
from imapp.events import UserUpdated
from imapp.models.contacts import Block, Contact, ContactRequest
from imapp.models.conversations import Conversation, ConversationMember
from imapp.models.own_state import UserState
from imapp.models.users import User
from imapp.schemas.users import MeOut, ProfileIn, UserOut
from imapp.services import own_versions
from imapp.services.accounts.users import nickname_key
from imapp.services.messaging.membership import is_seen

#: Maximum number of rows named in one statement: SQLite takes 32,766 parameters.
_SLICE = 5_000


@dataclass(frozen=True)
class _List:
    """Rows of `owner`'s own state that show the user `shown`, and the column of their version.

    `is_mutual`: each row has a counterpart in the other direction, which an index finds.
    """

    version: Any
    owner: Any
    shown: Any
    is_alive: Any = field(default_factory=true)
    is_mutual: bool = False


#: The rows of each list take one version, in this order; the conversations take the version after these.
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
    """The viewers of a profile: the owners of each list, and the peers by private conversation."""

    owners: list[list[int]]
    peers: dict[int, int]

    def user_ids(self) -> set[int]:
        """Return the ids of all viewers."""
        return {*self.peers.values(), *(user_id for owners in self.owners for user_id in owners)}


def update_me(actor_id: int, changes: ProfileIn) -> MeOut:
    """Change the given fields of the actor's profile; raises RateLimitedError."""
    limits.hit("profile_changes_per_user", actor_id)
    return write(actor_id, changes.model_dump(exclude_unset=True))


def write(user_id: int, columns: Mapping[str, object]) -> MeOut:
    """Change columns of an account and notify the viewers of its profile."""
    return _publish(*atomic(_update, user_id, columns, False))


def announce(user_id: int) -> None:
    """Notify the viewers of an account that it was closed or reopened."""
    _publish(*atomic(_update, user_id, {}, True))


def _publish(me: MeOut, viewers: set[int], steps: int) -> MeOut:
    if steps:
        bus.publish(UserUpdated(user=me), bus.user_room(me.id), versions=steps)
    if viewers:
        # A copy of the public fields: pydantic takes a MeOut for a UserOut and would keep the private fields.
        public = UserOut(**me.model_dump(include=set(UserOut.model_fields)))
        bus.publish(UserUpdated(user=public), *map(bus.user_room, sorted(viewers)), versions=_STEPS)
    return me


def _update(
    session: Session, user_id: int, wanted: Mapping[str, object], is_public: bool
) -> tuple[MeOut, set[int], int]:
    """Return the account, the viewers to notify, and the number of versions by which the owner's counter advanced.

    `is_public`: a field that others see has changed already.
    """
    user = session.get_one(User, user_id)
    changed = {name for name, value in wanted.items() if getattr(user, name) != value}
    if not changed and not is_public:
        return MeOut.model_validate(user), set(), 0
    is_public = is_public or not changed.isdisjoint(UserOut.model_fields)
    viewers = _renumber(session, user_id) if is_public else set()
    version = own_versions.next_version(session, user_id)
    session.refresh(user)  # another device may have changed it during the wait for the counter
    for name, value in wanted.items():
        setattr(user, name, value)
    user.nickname_key = nickname_key(user.nickname)
    user.revision, user.version = user.revision + is_public, version
    session.flush()
    return MeOut.model_validate(user), viewers, 1 + is_public * _STEPS


# -- viewers ---------------------------------------------------------------------------------------------------------


def _renumber(session: Session, user_id: int) -> set[int]:
    """Give new versions to all rows of others' own state that show the user; return the ids of their owners.

    Every transaction that adds a viewer takes the user's counter. Viewers added before it was locked are found when
    the viewers are read a second time.
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
    private = union_all(*(_shown_to(peer).where(own == user_id) for own, peer in ((low, high), (high, low))))
    owners = []
    for rows in _LISTS:
        theirs, users = (rows.shown, rows.owner) if rows.is_mutual else (rows.owner, rows.shown)
        owners.append(sorted(session.scalars(select(theirs).where(users == user_id, rows.is_alive))))
    return _Viewers(owners, {id_: peer_id for id_, peer_id in session.execute(private) if peer_id is not None})


def _shown_to(peer: InstrumentedAttribute[int | None]) -> Select[tuple[int, int | None]]:
    """Select the private conversations that are shown to their side `peer`, each with that user's id."""
    row = and_(ConversationMember.conversation_id == Conversation.id, ConversationMember.user_id == peer)
    return select(Conversation.id, peer).join(ConversationMember, row).where(is_seen())


def _advance(session: Session, user_ids: set[int]) -> None:
    for some in _slices(sorted(user_ids)):
        own_versions.advance(session, some, _STEPS)


def _write(session: Session, rows: _List, step: int, *which: ColumnElement[bool]) -> None:
    """Number the rows by their owners' counters, which have already been advanced by all steps."""
    counter = select(UserState.version - (_STEPS - step)).where(UserState.user_id == rows.owner).scalar_subquery()
    numbered = update(rows.version.class_).where(*which).values({rows.version: counter})
    session.execute(numbered, execution_options={"synchronize_session": False})


def _slices(found: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(found), _SLICE):
        yield found[start : start + _SLICE]
