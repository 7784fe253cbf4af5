"""Blocks over REST."""

from flask import Blueprint

from imapp.api.http.endpoint import endpoint
from imapp.errors import ForbiddenError
from imapp.schemas.base import Page
from imapp.schemas.contacts import BlockOut, ContactsQuery
from imapp.services.accounts.authentication import Actor
from imapp.services.contacts import blocks

bp = Blueprint("blocks", __name__, url_prefix="/api/blocks")


@bp.get("")
@endpoint()
def list_blocks(actor: Actor, query: ContactsQuery) -> Page[BlockOut]:
    """List the users that the caller has blocked."""
    return blocks.list_blocks(actor.user_id, query)


@bp.put("/<id:user_id>")
@endpoint(errors=[ForbiddenError])
def block_user(actor: Actor, user_id: int) -> BlockOut:
    """Block a user: no private messages, no requests, no presence between the two."""
    return blocks.block(actor.user_id, user_id)


@bp.delete("/<id:user_id>")
@endpoint()
def unblock_user(actor: Actor, user_id: int) -> None:
    """Remove a block."""
    blocks.unblock(actor.user_id, user_id)
