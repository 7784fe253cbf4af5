"""Who calls: the bearer token and the client's address."""

from flask import g, request

from imapp.cluster import limits
from imapp.errors import InvalidTokenError
from imapp.proxies import IS_FORWARDED
from imapp.schemas.sessions import ClientInfo
from imapp.services import access
from imapp.services.access import Actor
from imapp.services.insiders import Caller


def current_actor() -> Actor:
    """The user and session that the bearer token speaks for; counts as one of the user's calls.

    Raises one of the 401 errors, or RateLimitedError.
    """
    token = _bearer_token()
    if token is None:
        raise InvalidTokenError
    actor = access.authenticate(token)
    g.user_id = actor.user_id  # for the log
    limits.hit("commands_per_user", actor.user_id)
    return actor


def current_caller() -> Caller:
    """Who calls, where nobody has to show a token."""
    return Caller(request.remote_addr or "", bool(request.environ.get(IS_FORWARDED)), _bearer_token())


def _bearer_token() -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token else None


def current_client() -> ClientInfo:
    """Where the request comes from, by the socket's peer: what X-Forwarded-For says never counts."""
    return ClientInfo(ip=request.remote_addr or "", user_agent=request.headers.get("User-Agent", ""))
