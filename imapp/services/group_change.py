"""One change of a group: its conversation locked, everything in one transaction, the pushes after the commit.

Every change takes a number and shows as a line in the timeline. Rooms follow the rows: who is removed leaves the
room before the commit, so that nothing written later reaches him; who is added enters after it and is told then.
"""

from collections.abc import Callable, Iterable
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from imapp.cluster import bus
from imapp.database import atomic
from imapp.errors import GroupDissolvedError, GroupFullError, NotAMemberError, NotFoundError, RoleRequiredError
from imapp.events import ConversationEvent, Event, MemberRemoved, MembersAdded
from imapp.models.conversations import Conversation, ConversationMember
from imapp.models.groups import Group
from imapp.models.own_state import UserState
from imapp.schemas.base import now
from imapp.schemas.groups import GroupOut
from imapp.services import own_state, timeline
from imapp.services.rights import ADMINS
from imapp.services.turns import Turns

T = TypeVar("T")
P = ParamSpec("P")

#: Who may do something to whom: the higher to the lower.
RANKS = {"member": 0, "admin": 1, "owner": 2}

#: Changes of one group on this node. Seconds that one waits for those before it: each takes milliseconds, unless
#: another node's transaction keeps the group locked.
_turns = Turns(seconds=5)


class GroupChange:
    """A group whose conversation is locked, who changes it, and what is to be pushed after the commit."""

    def __init__(self, session: Session, actor_id: int, conversation: Conversation, group: Group) -> None:
        self.session = session
        self.actor_id = actor_id
        self.conversation = conversation
        self.group = group
        self.entered: list[int] = []
        self.left: list[int] = []
        self._pushes: list[tuple[Event, list[str]]] = []

    # -- who may ------------------------------------------------------------------------------------------------

    def find_member(self, user_id: int) -> ConversationMember | None:
        """The row of a present member."""
        member = self.session.get(ConversationMember, (self.group.id, user_id))
        return None if member is None or member.left_at is not None else member

    def present_among(self, user_ids: Iterable[int]) -> set[int]:
        """Those of the users who are members, with one query."""
        return {row.user_id for row in self.session.scalars(self._rows_of(user_ids)) if row.left_at is None}

    def ended_among(self, user_ids: Iterable[int], standing: str) -> set[int]:
        """The users whose latest membership ended in this way (LEFT, KICKED), with one query."""
        rows = self.session.scalars(self._rows_of(user_ids))
        return {row.user_id for row in rows if row.left_at is not None and row.standing == standing}

    def require_actor(self) -> ConversationMember:
        """The actor's row; raises NotAMemberError."""
        actor = self.find_member(self.actor_id)
        if actor is None:
            raise NotAMemberError("You are not a member of this group.")
        return actor

    def require_alive(self) -> None:
        """Raises GroupDissolvedError."""
        if self.group.dissolved_at is not None:
            raise GroupDissolvedError

    def require_admin(self) -> ConversationMember:
        """The actor's row, owner's or admin's, in a group that lives; raises NotAMemberError, RoleRequiredError."""
        actor = self.require_actor()
        if actor.role not in ADMINS:
            raise RoleRequiredError
        self.require_alive()
        return actor

    def require_owner(self) -> ConversationMember:
        """The actor's row, the owner's, in a group that lives; raises NotAMemberError, RoleRequiredError."""
        actor = self.require_actor()
        if actor.role != "owner":
            raise RoleRequiredError
        self.require_alive()
        return actor

    def require_target(self, user_id: int) -> ConversationMember:
        """Another member's row; raises NotFoundError."""
        target = self.find_member(user_id)
        if target is None:
            raise NotFoundError("This user is not a member of the group.")
        return target

    def require_below(self, user_id: int) -> ConversationMember:
        """A member whom the actor outranks; raises as `require_admin`, NotFoundError."""
        actor, target = self.require_admin(), self.require_target(user_id)
        if RANKS[actor.role] <= RANKS[target.role]:
            raise RoleRequiredError
        return target

    # -- what changes -------------------------------------------------------------------------------------------

    def enrol(self, user_ids: Iterable[int]) -> list[int]:
        """Make users members, without saying so; gives those who were not yet. Raises GroupFullError.

        They have read everything, the line that tells of them included.
        """
        known = {row.user_id: row for row in self.session.scalars(self._rows_of(user_ids))}
        added = sorted(id_ for id_ in set(user_ids) if id_ not in known or known[id_].left_at is not None)
        if self.group.member_count + len(added) > self.group.member_limit:
            raise GroupFullError
        if added:
            self._insert(added, known)
            self.group.member_count += len(added)
            self.entered += added
        return added

    def _rows_of(self, user_ids: Iterable[int]) -> Any:
        wanted = ConversationMember.user_id.in_(user_ids)
        return select(ConversationMember).where(ConversationMember.conversation_id == self.group.id, wanted)

    def _insert(self, added: list[int], known: dict[int, ConversationMember]) -> None:
        versions = own_state.next_versions(self.session, added)
        values = {"role": "member", "joined_at": now(), "left_at": None, "standing": None, "hidden_seq": None}
        values["read_seq"] = self.conversation.last_seq + 1
        new = [
            {"conversation_id": self.group.id, "user_id": id_, "version": versions[id_], **values}
            for id_ in added
            if id_ not in known
        ]
        if new:
            self.session.execute(insert(ConversationMember), new)
        for id_ in set(added) & set(known):
            for name, value in {**values, "version": versions[id_]}.items():
                setattr(known[id_], name, value)

    def add(self, user_ids: Iterable[int]) -> list[int]:
        """Make users members and say so; gives those who were not yet. Raises GroupFullError."""
        added = self.enrol(user_ids)
        if added:
            event = MembersAdded(
                conversation_id=self.group.id,
                actor_id=self.actor_id,
                user_ids=added,
                member_count=self.group.member_count,
            )
            self.record(event, added)
            self.line("members_added", user_ids=added)
        return added

    def remove(self, member: ConversationMember, reason: Literal["left", "kicked"]) -> None:
        """End a membership and say so; the room is left at once."""
        touch = self.touch_staff if member.role in ADMINS else self.touch
        member.left_at, member.role, member.standing = now(), "member", reason
        touch(member)
        self.group.member_count -= 1
        self.left.append(member.user_id)
        bus.leave(member.user_id, bus.conversation_room(self.group.id))
        event = MemberRemoved(
            conversation_id=self.group.id,
            actor_id=self.actor_id,
            user_id=member.user_id,
            reason=reason,
            member_count=self.group.member_count,
        )
        self.record(event, [member.user_id])
        self.line("member_removed", user_id=member.user_id, reason=reason)

    def touch(self, *members: ConversationMember) -> None:
        """Give rows new versions, so that `sync` tells their users' devices."""
        versions = own_state.next_versions(self.session, [member.user_id for member in members])
        for member in members:
            member.version = versions[member.user_id]

    def touch_staff(self, *members: ConversationMember) -> None:
        """As `touch`, for whose sight of the requests to join begins or ends."""
        self.touch(*members)
        for member in members:
            member.requests_version = member.version

    # -- what is told -------------------------------------------------------------------------------------------

    def record(self, event: ConversationEvent, user_ids: Iterable[int] = ()) -> None:
        """Number a change; it is pushed to the group and to the devices of `user_ids`."""
        self._push(timeline.record(self.session, self.conversation, event), user_ids)

    def line(self, event: str, **facts: Any) -> None:
        """Append a line to the timeline: {"event", "actor_id", ...facts}."""
        content = {"event": event, "actor_id": self.actor_id, **facts}
        self._push(timeline.system_line(self.session, self.conversation, self.actor_id, content))

    def tell(self, event: Event, user_ids: Iterable[int]) -> None:
        """Push what is no part of the conversation to the devices of `user_ids`."""
        self._pushes.append((event, [bus.user_room(user_id) for user_id in user_ids]))

    def staff(self) -> set[int]:
        """The owner and the admins."""
        admins = select(ConversationMember.user_id).where(
            ConversationMember.conversation_id == self.group.id,
            ConversationMember.left_at.is_(None),
            ConversationMember.role.in_(ADMINS),
        )
        return set(self.session.scalars(admins))

    def tell_staff(self, event: Event) -> None:
        """Push to the devices of owner and admins what only they see, and let `sync` tell them, too."""
        staff = self.staff()
        own_state.next_versions(self.session, staff)
        self.number_staff(staff)
        self.tell(event, sorted(staff))

    def number_staff(self, staff: set[int]) -> None:
        """Give the rows of owner and admins the versions to which their counters have been advanced."""
        if not staff:
            return
        member = ConversationMember
        counter = select(UserState.version).where(UserState.user_id == member.user_id).scalar_subquery()
        rows = update(member).where(member.conversation_id == self.group.id, member.user_id.in_(staff))
        numbered = rows.values(requests_version=counter)
        self.session.execute(numbered, execution_options={"synchronize_session": False})

    def _push(self, event: Event, user_ids: Iterable[int] = ()) -> None:
        rooms = [bus.conversation_room(self.group.id), *map(bus.user_room, user_ids)]
        self._pushes.append((event, rooms))

    def publish(self) -> None:
        """Push everything, in order; after the commit."""
        room = bus.conversation_room(self.group.id)
        for user_id in self.entered:
            bus.enter(user_id, room)
        for user_id in self.left:  # those too who connected while the commit was under way
            bus.leave(user_id, room)
            # Who was added again meanwhile, at a node that heard of its commit sooner, belongs into the room.
            bus.look_again(user_id)
        for event, rooms in self._pushes:
            bus.publish(event, *rooms)


def change_group(
    fn: Callable[Concatenate[GroupChange, P], T], actor_id: int, group_id: int, *args: P.args, **kwargs: P.kwargs
) -> T:
    """Run `fn(change, *args)` on the locked group, commit, push.

    Raises NotFoundError, BusyError while another transaction keeps the group locked, and whatever `fn` raises.
    """
    attempts: list[GroupChange] = []

    def run(session: Session) -> T:
        attempts.append(lock_group(session, actor_id, group_id))
        return fn(attempts[-1], *args, **kwargs)

    with _turns.of(group_id):
        try:
            answer = atomic(run)
        except BaseException:
            _restore({user_id for attempt in attempts for user_id in attempt.left})
            raise
        attempts[-1].publish()
        return answer


def lock_group(session: Session, actor_id: int, group_id: int) -> GroupChange:
    """Lock a group until the end of the transaction; raises NotFoundError."""
    conversation = timeline.lock(session, group_id)
    group = session.get(Group, group_id)
    if group is None:
        raise NotFoundError
    return GroupChange(session, actor_id, conversation, group)


def group_out(group: Group) -> GroupOut:
    """A group as all members see it."""
    fields = GroupOut.model_fields.keys() - {"conversation_id"}
    return GroupOut(conversation_id=group.id, **{name: getattr(group, name) for name in fields})


def _restore(user_ids: set[int]) -> None:
    """Let those hear the group again whose removal was not committed; the database may be away at this moment."""
    for user_id in user_ids:
        bus.look_after(bus.user_room(user_id), "not_removed")
