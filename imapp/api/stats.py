"""The users online, over REST."""

from flask import Blueprint

from imapp.api.http.endpoint import endpoint
from imapp.schemas.stats import OnlineOut, OnlineQuery
from imapp.services.accounts.authentication import Actor
from imapp.services.operations import stats

bp = Blueprint("stats", __name__, url_prefix="/api/stats")


@bp.get("/online")
@endpoint()
def online(actor: Actor, query: OnlineQuery) -> OnlineOut:
    """Count the users online. Operators, or all users if so configured, also get a page of their ids."""
    return stats.online(actor, query)
