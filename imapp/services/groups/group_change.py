"""One change of a group: one transaction with the conversation locked, and the pushes after its commit.

Every change is numbered and appears as a line in the timeline. A removed member's connections leave the room before the
commit, so that later messages do not reach them. An added member's connections enter the room after the commit and are
notified then.
"""

from collections.abc import Callable, Iterable
from typing import Concatenate, Literal, ParamSpec, TypeVar

from sqlalchemy import Select, insert, select, update
from sqlalchemy.orm import Session

from imapp.clock import now
from imapp.cluster.bus import bus
from imapp.database.transactions import atomic
from imapp.errors import GroupDissolvedError, GroupFullError, NotAMemberError, NotFoundError, RoleRequiredError
from imapp.events import ConversationEvent, Event, MemberRemoved, MembersAdded
from imapp.models.conversations import Conversation, ConversationMember
from imapp.models.groups import Group
from imapp.models.own_state import UserState
from imapp.schemas.groups import GroupOut
from imapp.services import own_versions
from imapp.services.groups.turns import Turns
from imapp.services.messaging import conversation_changes
from imapp.services.write_path.permissions import ADMINS

T = TypeVar("T")
P = ParamSpec("P")

#: Ranks of the roles: a member may act only on members of lower rank.
RANKS = {"member": 0, "admin": 1, "owner": 2}

#: One change at a time per group on this node. A change waits at most this number of seconds for earlier ones; each
#: takes milliseconds, unless another node's transaction keeps the group locked.
_turns = Turns(seconds=5)


class GroupChange:
    """A group with its conversation locked, the acting user, and the events to push after the commit."""

    def __init__(self, session: Session, actor_id: int, conversation: Conversation, group: Group) -> None:
        self.session = session
        self.actor_id = actor_id
        self.conversation = conversation
        self.group = group
        self.entered: list[int] = []
        self.left: list[int] = []
        self._pushes: list[tuple[Event, list[str]]] = []

    # -- permissions --------------------------------------------------------------------------------------------

    def find_member(self, user_id: int) -> ConversationMember | None:
        """Return the row of a current member, or None."""
        member = self.session.get(ConversationMember, (self.group.id, user_id))
        return None if member is None or member.left_at is not None else member

    def present_among(self, user_ids: Iterable[int]) -> set[int]:
        """Return the current members among the users, with one query."""
        return {row.user_id for row in self.session.scalars(self._rows_of(user_ids)) if row.left_at is None}

    def ended_among(self, user_ids: Iterable[int], standing: str) -> set[int]:
        """Return the former members with this standing (LEFT, KICKED) among the users, with one query."""
        rows = self.session.scalars(self._rows_of(user_ids))
        return {row.user_id for row in rows if row.left_at is not None and row.standing == standing}

    def require_actor(self) -> ConversationMember:
        """Return the actor's row; raises NotAMemberError."""
        actor = self.find_member(self.actor_id)
        if actor is None:
            raise NotAMemberError("You are not a member of this group.")
        return actor

    def require_alive(self) -> None:
        """Raise GroupDissolvedError if the group has been dissolved."""
        if self.group.dissolved_at is not None:
            raise GroupDissolvedError

    def require_admin(self) -> ConversationMember:
        """Return the row of the actor, which must be the owner's or an admin's.

        Raises NotAMemberError, RoleRequiredError, GroupDissolvedError.
        """
        actor = self.require_actor()
        if actor.role not in ADMINS:
            raise RoleRequiredError
        self.require_alive()
        return actor

    def require_owner(self) -> ConversationMember:
        """Return the row of the actor, which must be the owner's.

        Raises NotAMemberError, RoleRequiredError, GroupDissolvedError.
        """
        actor = self.require_actor()
        if actor.role != "owner":
            raise RoleRequiredError
        self.require_alive()
        return actor

    def require_target(self, user_id: int) -> ConversationMember:
        """Return another member's row; raises NotFoundError."""
        target = self.find_member(user_id)
        if target is None:
            raise NotFoundError("This user is not a member of the group.")
        return target

    def require_below(self, user_id: int) -> ConversationMember:
        """Return the row of a member of lower rank; raises the errors of `require_admin`, NotFoundError."""
        actor, target = self.require_admin(), self.require_target(user_id)
        if RANKS[actor.role] <= RANKS[target.role]:
            raise RoleRequiredError
        return target

    # -- changes ------------------------------------------------------------------------------------------------

    def enrol(self, user_ids: Iterable[int]) -> list[int]:
        """Make users members without an event; return the users that were not members. Raises GroupFullError.

        Their read marks cover all messages, including the timeline line that will announce them.
        """
        known = {row.user_id: row for row in self.session.scalars(self._rows_of(user_ids))}
        added = sorted(id_ for id_ in set(user_ids) if id_ not in known or known[id_].left_at is not None)
        if self.group.member_count + len(added) > self.group.member_limit:
            raise GroupFullError
        if not added:
            return []
        versions = own_versions.next_versions(self.session, added)
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
        self.group.member_count += len(added)
        self.entered += added
        return added

    def _rows_of(self, user_ids: Iterable[int]) -> Select[tuple[ConversationMember]]:
        wanted = ConversationMember.user_id.in_(user_ids)
        return select(ConversationMember).where(ConversationMember.conversation_id == self.group.id, wanted)

    def add(self, user_ids: Iterable[int]) -> list[int]:
        """Make users members and announce them; return the users that were not members. Raises GroupFullError."""
        added = self.enrol(user_ids)
        if added:
            event = MembersAdded(
                conversation_id=self.group.id,
                actor_id=self.actor_id,
                user_ids=added,
                member_count=self.group.member_count,
            )
            self.record(event, added)
            self.line(MembersAdded, user_ids=added)
        return added

    def remove(self, member: ConversationMember, reason: Literal["left", "kicked"]) -> None:
        """End a membership and announce it; the member's connections leave the room at once, before the commit."""
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
        self.line(MemberRemoved, user_id=member.user_id, reason=reason)

    def touch(self, *members: ConversationMember) -> None:
        """Give members' rows new versions, so that `sync` sends them to the members' devices."""
        versions = own_versions.next_versions(self.session, [member.user_id for member in members])
        for member in members:
            member.version = versions[member.user_id]

    def touch_staff(self, *members: ConversationMember) -> None:
        """Like `touch`, for members that gain or lose access to the join requests."""
        self.touch(*members)
        for member in members:
            member.requests_version = member.version

    # -- events -------------------------------------------------------------------------------------------------

    def record(self, event: ConversationEvent, user_ids: Iterable[int] = ()) -> None:
        """Number and log an event, and note it to be pushed to the group and to the devices of `user_ids`."""
        self._push(conversation_changes.record(self.session, self.conversation, event), user_ids)

    def line(self, event: type[Event], **facts: object) -> None:
        """Append a system line to the timeline, with the content {"event": its name, "actor_id", ...facts}."""
        content = {"event": event.name, "actor_id": self.actor_id, **facts}
        self._push(conversation_changes.system_line(self.session, self.conversation, self.actor_id, content))

    def tell(self, event: Event, user_ids: Iterable[int]) -> None:
        """Note an event outside the conversation's log to be pushed to the devices of `user_ids`."""
        self._pushes.append((event, [bus.user_room(user_id) for user_id in user_ids]))

    def staff(self) -> set[int]:
        """Return the user ids of the owner and the admins."""
        admins = select(ConversationMember.user_id).where(
            ConversationMember.conversation_id == self.group.id,
            ConversationMember.left_at.is_(None),
            ConversationMember.role.in_(ADMINS),
        )
        return set(self.session.scalars(admins))

    def tell_staff(self, event: Event) -> None:
        """Push an event to the devices of owner and admins only, and have `sync` report the change to them too."""
        staff = self.staff()
        own_versions.next_versions(self.session, staff)
        self.number_staff(staff)
        self.tell(event, sorted(staff))

    def number_staff(self, staff: set[int]) -> None:
        """Set `requests_version` in the rows of owner and admins to their counters, which the caller has advanced."""
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
        """Update the rooms and push all noted events in order; called after the commit."""
        room = bus.conversation_room(self.group.id)
        for user_id in self.entered:
            bus.enter(user_id, room)
        for user_id in self.left:  # also removes connections that were opened during the commit
            bus.leave(user_id, room)
            # If the user has been added again meanwhile and another node announced that first, the user belongs in
            # the room: have the nodes compare.
            bus.recheck_rooms(user_id)
        for event, rooms in self._pushes:
            bus.publish(event, *rooms)


def change_group(
    fn: Callable[Concatenate[GroupChange, P], T], actor_id: int, group_id: int, *args: P.args, **kwargs: P.kwargs
) -> T:
    """Run `fn(change, *args)` on the locked group, commit, and push the events.

    Raises NotFoundError, BusyError if another transaction keeps the group locked, and the errors of `fn`.
    """
    attempts: list[GroupChange] = []

    def run(session: Session) -> T:
        attempts.append(lock_group(session, actor_id, group_id))
        return fn(attempts[-1], *args, **kwargs)

    with _turns.of(group_id):
        try:
            answer = atomic(run)
        except BaseException:
            # The users stay members: their connections return to the room. Works while the database is unavailable.
            for user_id in {user_id for attempt in attempts for user_id in attempt.left}:
                bus.resync_room(bus.user_room(user_id), "not_removed")
            raise
        attempts[-1].publish()
        return answer


def lock_group(session: Session, actor_id: int, group_id: int) -> GroupChange:
    """Lock a group until the end of the transaction; raises NotFoundError."""
    conversation = conversation_changes.lock(session, group_id)
    group = session.get(Group, group_id)
    if group is None:
        raise NotFoundError
    return GroupChange(session, actor_id, conversation, group)


def group_out(group: Group) -> GroupOut:
    """Return a group as all its members see it."""
    fields = GroupOut.model_fields.keys() - {"conversation_id"}
    return GroupOut(conversation_id=group.id, **{name: getattr(group, name) for name in fields})
