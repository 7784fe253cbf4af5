"""Who calls: the bearer token and the client's address."""

import socket

from flask import g, request

from imapp.cluster import limits
from imapp.errors import InvalidTokenError
from imapp.proxies import IS_FORWARDED
from imapp.schemas.sessions import ClientInfo
from imapp.services import access
from imapp.services.access import Actor
from imapp.services.insiders import Caller

_INTERNET = (socket.AF_INET, socket.AF_INET6)


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


def count_anonymous() -> None:
    """Count a request that needs no token and has a body to be checked; raises RateLimitedError."""
    limits.hit("anonymous_per_address", limits.address_key(request.remote_addr or ""))


def current_caller() -> Caller:
    """Who calls, where nobody has to show a token."""
    sock = request.environ.get("gunicorn.socket")
    own_address = (
        sock.getsockname()[0].removeprefix("::ffff:") if sock is not None and sock.family in _INTERNET else None
    )
    return Caller(request.remote_addr or "", bool(request.environ.get(IS_FORWARDED)), _bearer_token(), own_address)


def _bearer_token() -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token else None


def current_client() -> ClientInfo:
    """Where the request comes from, by the socket's peer: what X-Forwarded-For says never counts."""
    return ClientInfo(ip=request.remote_addr or "", user_agent=request.headers.get("User-Agent", ""))
