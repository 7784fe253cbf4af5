"""Blocks of one user by another.

While a block exists in either direction, the two users exchange no private messages, no typing events and no contact
requests, and each appears offline to the other. A block removes nothing: contacts, pending requests and the
conversation are unchanged when it is lifted. The blocked user is not notified, but refused when writing.
"""

from sqlalchemy.orm import Session

from imapp.clock import now
from imapp.database.transactions import atomic
from imapp.errors import NotFoundError
from imapp.events import UserBlocked, UserUnblocked
from imapp.extensions import db
from imapp.models.contacts import Block
from imapp.schemas.base import Page
from imapp.schemas.contacts import BlockOut, ContactsQuery
from imapp.services.contacts import presence
from imapp.services.contacts.contact_pairs import Pair, Pushes, publish
from imapp.services.contacts.contact_views import block_out, blocks_of
from imapp.services.paging import numbered


def list_blocks(actor_id: int, query: ContactsQuery) -> Page[BlockOut]:
    """Return a page of the users that the caller has blocked, in the order of their ids."""
    wanted = blocks_of(actor_id).where(Block.removed_at.is_(None))
    found = db.session.execute(numbered(wanted, Block.blocked_id, query.cursor, query.limit)).tuples()
    items = [block_out(block, other) for block, other in found]
    return Page[BlockOut].of(items, query.limit, lambda item: item.user_id)


def block(actor_id: int, user_id: int) -> BlockOut:
    """Block a user; blocking again changes nothing.

    Raises NotFoundError for an unknown user, ForbiddenError for the actor's own id.
    """
    answer, pushes = atomic(_block, actor_id, user_id)
    if pushes:
        publish(pushes)
        presence.conceal(actor_id, user_id)
    return answer


def unblock(actor_id: int, user_id: int) -> None:
    """Lift a block; raises NotFoundError if the user is not blocked."""
    publish(atomic(_unblock, actor_id, user_id))
    presence.reveal(actor_id, user_id)


def _block(session: Session, actor_id: int, user_id: int) -> tuple[BlockOut, Pushes]:
    pair = Pair(session, actor_id, user_id)
    row = session.get(Block, (actor_id, user_id))
    if row is not None and row.removed_at is None:
        return block_out(row, pair.users[user_id]), []
    row = session.merge(
        Block(
            user_id=actor_id,
            blocked_id=user_id,
            created_at=now(),
            removed_at=None,
            version=pair.next_version(),
        )
    )
    answer = block_out(row, pair.users[user_id])
    pair.push(actor_id, UserBlocked(block=answer))
    return answer, pair.pushes


def _unblock(session: Session, actor_id: int, user_id: int) -> Pushes:
    pair = Pair(session, actor_id, user_id)
    row = session.get(Block, (actor_id, user_id))
    if row is None or row.removed_at is not None:
        raise NotFoundError("You have not blocked this user.")
    row.removed_at, row.version = now(), pair.next_version()
    pair.push(actor_id, UserUnblocked(block=block_out(row, pair.users[user_id])))
    return pair.pushes
