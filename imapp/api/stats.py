"""The users online, over REST."""

from flask import Blueprint

from imapp.api.contract import endpoint
from imapp.schemas.stats import OnlineOut, OnlineQuery
from imapp.services import stats
from imapp.services.access import Actor

bp = Blueprint("stats", __name__, url_prefix="/api/stats")


@bp.get("/online")
@endpoint()
def online(actor: Actor, query: OnlineQuery) -> OnlineOut:
    """Count the users online. Operators, or all users if so configured, also get a page of their ids."""
    return stats.online(actor, query)
