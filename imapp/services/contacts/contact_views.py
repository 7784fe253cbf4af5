"""Contacts, requests and blocks as their owner sees them: the same form in lists, events and `sync`."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

from sqlalchemy import Select, select
from sqlalchemy.orm import InstrumentedAttribute

from imapp.extensions import Base, db
from imapp.models.contacts import Block, Contact, ContactRequest
from imapp.models.own_state import UserState
from imapp.models.users import User
from imapp.schemas.contacts import BlockOut, ContactOut, ContactRequestOut, RequestStatus
from imapp.schemas.users import UserOut

_Shown = ContactOut | ContactRequestOut | BlockOut

ModelT = TypeVar("ModelT", bound=Base)


class StateRow(NamedTuple):
    """A row of a user's own state, as `sync` shows it to the user's devices."""

    version: int
    kind: str
    item: dict[str, Any]


def version_of(row: StateRow) -> int:
    """Return the version, by which rows are ordered."""
    return row.version


def rows(user_id: int, after: int, limit: int) -> list[StateRow]:
    """Return the user's contacts, requests and blocks that changed after version `after`, including tombstones.

    The rows are sorted by version, at most `limit`; kinds are "contact", "contact_request" and "block". Because
    several statements read them, rows above the counter's value at the beginning are left out: they belong to the next
    call. So no row is missing below any returned version.
    """
    until = db.session.scalar(select(UserState.version).where(UserState.user_id == user_id)) or 0
    sources: list[tuple[str, InstrumentedAttribute[int], Select[Any], Callable[..., _Shown]]] = [
        ("contact", Contact.version, contacts_of(user_id), contact_out),
        ("contact_request", ContactRequest.from_version, outgoing_of(user_id), request_out),
        ("contact_request", ContactRequest.to_version, incoming_of(user_id), request_out),
        ("block", Block.version, blocks_of(user_id), block_out),
    ]
    found = []
    for kind, version, wanted, show in sources:
        changed = wanted.where(version > after, version <= until).order_by(version).limit(limit)
        items = [show(row, other) for row, other in db.session.execute(changed)]
        found += [StateRow(item.version, kind, item.wire()) for item in items]
    return sorted(found, key=version_of)[:limit]


def contact_out(contact: Contact, other: User) -> ContactOut:
    """Return a contact as its owner sees it."""
    return ContactOut(
        user_id=contact.contact_id,
        user=UserOut.model_validate(other),
        remark=contact.remark,
        created_at=contact.created_at,
        removed=contact.removed_at is not None,
        version=contact.version,
    )


def request_out(request: ContactRequest, other: User) -> ContactRequestOut:
    """Return a request as one of its two users sees it; `other` is the other user."""
    is_outgoing = other.id == request.to_user_id
    return ContactRequestOut(
        id=request.id,
        direction="outgoing" if is_outgoing else "incoming",
        from_user_id=request.from_user_id,
        to_user_id=request.to_user_id,
        user=UserOut.model_validate(other),
        message=request.message,
        status=cast(RequestStatus, request.status),
        created_at=request.created_at,
        handled_at=request.handled_at,
        version=request.from_version if is_outgoing else request.to_version,
    )


def block_out(block: Block, other: User) -> BlockOut:
    """Return a block as the blocking user sees it."""
    return BlockOut(
        user_id=block.blocked_id,
        user=UserOut.model_validate(other),
        created_at=block.created_at,
        removed=block.removed_at is not None,
        version=block.version,
    )


def contacts_of(user_id: int) -> Select[tuple[Contact, User]]:
    """Return a query for the user's contacts with their users, including tombstones."""
    return _with_users(Contact, Contact.contact_id).where(Contact.user_id == user_id)


def outgoing_of(user_id: int) -> Select[tuple[ContactRequest, User]]:
    """Return a query for the requests that the user sent, with their recipients."""
    return _with_users(ContactRequest, ContactRequest.to_user_id).where(ContactRequest.from_user_id == user_id)


def incoming_of(user_id: int) -> Select[tuple[ContactRequest, User]]:
    """Return a query for the requests that the user received, with their senders."""
    return _with_users(ContactRequest, ContactRequest.from_user_id).where(ContactRequest.to_user_id == user_id)


def blocks_of(user_id: int) -> Select[tuple[Block, User]]:
    """Return a query for the user's blocks with the blocked users, including tombstones."""
    return _with_users(Block, Block.blocked_id).where(Block.user_id == user_id)


def _with_users(model: type[ModelT], other_id: InstrumentedAttribute[int]) -> Select[tuple[ModelT, User]]:
    """Return a query for rows with their users; it refreshes objects that the session has loaded before."""
    return select(model, User).join(User, User.id == other_id).execution_options(populate_existing=True)
