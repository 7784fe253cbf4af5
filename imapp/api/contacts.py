"""Contacts over REST."""

from flask import Blueprint

from imapp.api.http.endpoint import endpoint
from imapp.schemas.base import Page
from imapp.schemas.contacts import ContactIn, ContactOut, ContactsQuery
from imapp.services.accounts.authentication import Actor
from imapp.services.contacts import contacts

bp = Blueprint("contacts", __name__, url_prefix="/api/contacts")


@bp.get("")
@endpoint()
def list_contacts(actor: Actor, query: ContactsQuery) -> Page[ContactOut]:
    """List the caller's contacts."""
    return contacts.list_contacts(actor.user_id, query)


@bp.patch("/<id:user_id>")
@endpoint()
def set_remark(actor: Actor, user_id: int, body: ContactIn) -> ContactOut:
    """Set the caller's own name for a contact."""
    return contacts.set_remark(actor.user_id, user_id, body)


@bp.delete("/<id:user_id>")
@endpoint()
def remove_contact(actor: Actor, user_id: int) -> None:
    """Remove a contact, in both directions."""
    contacts.remove(actor.user_id, user_id)
