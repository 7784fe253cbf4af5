"""Contacts: mutual friendships, which begin with a contact request (services/contacts/contact_requests.py)."""

from sqlalchemy.orm import Session

from imapp.clock import now
from imapp.database.transactions import atomic
from imapp.errors import NotFoundError
from imapp.events import ContactAdded, ContactRemoved, ContactUpdated
from imapp.extensions import db
from imapp.models.contacts import Contact
from imapp.schemas.base import Page
from imapp.schemas.contacts import ContactIn, ContactOut, ContactsQuery
from imapp.services.contacts.contact_pairs import Pair, Pushes, publish
from imapp.services.contacts.contact_views import contact_out, contacts_of
from imapp.services.paging import numbered


def list_contacts(actor_id: int, query: ContactsQuery) -> Page[ContactOut]:
    """Return a page of the caller's contacts, in the order of their ids."""
    wanted = contacts_of(actor_id).where(Contact.removed_at.is_(None))
    found = db.session.execute(numbered(wanted, Contact.contact_id, query.cursor, query.limit)).tuples()
    items = [contact_out(contact, other) for contact, other in found]
    return Page[ContactOut].of(items, query.limit, lambda item: item.user_id)


def set_remark(actor_id: int, user_id: int, body: ContactIn) -> ContactOut:
    """Set the caller's own name for a contact; raises NotFoundError if the user is not a contact."""
    answer, pushes = atomic(_set_remark, actor_id, user_id, body.remark)
    publish(pushes)
    return answer


def remove(actor_id: int, user_id: int) -> None:
    """Remove a contact in both directions; raises NotFoundError if the user is not a contact."""
    publish(atomic(_remove, actor_id, user_id))


def befriend(pair: Pair) -> None:
    """Make two users contacts, each without a remark. Part of a transaction."""
    moment, versions = now(), pair.next_versions()
    for user_id, other_id in pair.directions():
        contact = pair.session.merge(
            Contact(
                user_id=user_id,
                contact_id=other_id,
                remark="",
                created_at=moment,
                removed_at=None,
                version=versions[user_id],
            )
        )
        pair.push(user_id, ContactAdded(contact=contact_out(contact, pair.users[other_id])))


def _set_remark(session: Session, actor_id: int, user_id: int, remark: str) -> tuple[ContactOut, Pushes]:
    pair = Pair(session, actor_id, user_id)
    contact = _require_contact(session, actor_id, user_id)
    contact.remark, contact.version = remark, pair.next_version()
    answer = contact_out(contact, pair.users[user_id])
    pair.push(actor_id, ContactUpdated(contact=answer))
    return answer, pair.pushes


def _remove(session: Session, actor_id: int, other_id: int) -> Pushes:
    pair = Pair(session, actor_id, other_id)
    found = [_require_contact(session, *direction) for direction in pair.directions()]
    moment, versions = now(), pair.next_versions()
    for contact in found:
        contact.removed_at, contact.version = moment, versions[contact.user_id]
        event = ContactRemoved(contact=contact_out(contact, pair.users[contact.contact_id]))
        pair.push(contact.user_id, event)
    return pair.pushes


def _require_contact(session: Session, user_id: int, other_id: int) -> Contact:
    contact = session.get(Contact, (user_id, other_id))
    if contact is None or contact.removed_at is not None:
        raise NotFoundError("This user is not in your contacts.")
    return contact
