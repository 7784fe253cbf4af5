"""Who calls: the bearer token and the client's address."""

from flask import g, request

from imapp.cluster import limits
from imapp.errors import InvalidTokenError
from imapp.schemas.sessions import ClientInfo
from imapp.services import access
from imapp.services.access import Actor


def current_actor() -> Actor:
    """The user and session that the bearer token speaks for; counts as one of the user's calls.

    Raises one of the 401 errors, or RateLimitedError.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise InvalidTokenError
    actor = access.authenticate(token.strip())
    g.user_id = actor.user_id  # for the log
    limits.hit("commands_per_user", actor.user_id)
    return actor


def current_client() -> ClientInfo:
    """Where the request comes from, by the socket's peer: what X-Forwarded-For says never counts."""
    return ClientInfo(ip=request.remote_addr or "", user_agent=request.headers.get("User-Agent", ""))
