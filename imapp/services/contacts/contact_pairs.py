"""A pair of users and the changes to their contacts, requests and blocks, in one transaction."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from imapp.cluster.bus import bus
from imapp.errors import ForbiddenError, NotFoundError
from imapp.events import Event
from imapp.models.own_state import UserState
from imapp.models.users import User
from imapp.services import own_versions

#: (user id, event) pairs to publish after the commit.
Pushes = list[tuple[int, Event]]


class Pair:
    """The actor and another user, with the counters of both locked in id order.

    Transactions on the same pair therefore run one after the other: crossing requests, a request answered twice, or a
    request during a block each see the other's result.
    """

    def __init__(self, session: Session, actor_id: int, other_id: int) -> None:
        """Lock both counters; raises ForbiddenError if the users are the same, NotFoundError for an unknown user."""
        if actor_id == other_id:
            raise ForbiddenError("This needs another user.")
        self.session = session
        self.actor_id = actor_id
        self.other_id = other_id
        ids = (actor_id, other_id)
        states = select(UserState.user_id).where(UserState.user_id.in_(ids))
        session.execute(states.order_by(UserState.user_id).with_for_update()).all()
        self.users = {user.id: user for user in session.scalars(select(User).where(User.id.in_(ids)))}
        if other_id not in self.users:
            raise NotFoundError("There is no such user.")
        self.pushes: Pushes = []

    def directions(self) -> list[tuple[int, int]]:
        """Return both (user id, other user's id) orders of the pair."""
        return [(self.actor_id, self.other_id), (self.other_id, self.actor_id)]

    def next_versions(self) -> dict[int, int]:
        """Return a new version for each of the two users, for a change that both see."""
        return own_versions.next_versions(self.session, self.users)

    def next_version(self) -> int:
        """Return a new version for the actor, for a change that only the actor sees."""
        return own_versions.next_version(self.session, self.actor_id)

    def push(self, user_id: int, event: Event) -> None:
        """Note an event to be published to one of the two users after the commit."""
        self.pushes.append((user_id, event))


def publish(pushes: Pushes) -> None:
    """Publish the events to all devices of their users."""
    for user_id, event in pushes:
        bus.publish(event, bus.user_room(user_id))
