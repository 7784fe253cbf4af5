"""Two users and the changes between them, in one transaction."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from imapp.cluster import bus
from imapp.errors import ForbiddenError, NotFoundError
from imapp.events import Event
from imapp.models.own_state import UserState
from imapp.models.users import User
from imapp.services import own_state

#: What a transaction has to tell when it is committed, and whom.
Pushes = list[tuple[int, Event]]


class Pair:
    """The actor and another user, both their counters locked in id order.

    Whatever concerns the same two waits for its turn: requests that cross, an answer given twice, a request
    during a block each find the outcome of the other.
    """

    def __init__(self, session: Session, actor_id: int, other_id: int) -> None:
        """Lock; raises ForbiddenError for oneself and NotFoundError for an unknown user."""
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
        """Each of the two with the other."""
        return [(self.actor_id, self.other_id), (self.other_id, self.actor_id)]

    def next_versions(self) -> dict[int, int]:
        """Numbers for one change that both see."""
        return own_state.next_versions(self.session, self.users)

    def next_version(self) -> int:
        """The number of one change that only the actor sees."""
        return own_state.next_version(self.session, self.actor_id)

    def push(self, user_id: int, event: Event) -> None:
        """Note what one of the two is told after the commit."""
        self.pushes.append((user_id, event))


def publish(pushes: Pushes) -> None:
    """Tell all devices of those concerned."""
    for user_id, event in pushes:
        bus.publish(event, bus.user_room(user_id))
