"""`sync` over REST."""

from flask import Blueprint

from imapp.api.http.endpoint import endpoint
from imapp.schemas.base import JsonObject
from imapp.schemas.sync import SyncIn, SyncOut
from imapp.services.accounts.authentication import Actor
from imapp.services.sync import sync as service

bp = Blueprint("sync", __name__, url_prefix="/api/sync")


@bp.post("")
@endpoint(returns=SyncOut, is_large=True)
def sync(actor: Actor, body: SyncIn) -> JsonObject:
    """Return the changes that a device missed. Each answer is limited: repeat while `more` is true."""
    return service.sync(actor.user_id, body)
