"""Identify the caller: by the bearer token and the client's address."""

import socket

from flask import g, request

from imapp.cluster import limits
from imapp.errors import InvalidTokenError
from imapp.schemas.sessions import ClientInfo
from imapp.services.accounts import authentication
from imapp.services.accounts.authentication import Actor
from imapp.services.operations.health_access import Caller
from imapp.trusted_proxies import IS_FORWARDED

_INTERNET = (socket.AF_INET, socket.AF_INET6)


def current_actor() -> Actor:
    """Return the user and session of the bearer token, and count the request against the user's rate limit.

    Raises one of the 401 errors, or RateLimitedError.
    """
    token = _bearer_token()
    if token is None:
        raise InvalidTokenError
    actor = authentication.authenticate(token)
    g.user_id = actor.user_id  # for the log
    limits.hit("commands_per_user", actor.user_id)
    return actor


def count_anonymous() -> None:
    """Count a request that has a body but needs no token against the address' limit; raises RateLimitedError."""
    limits.hit("anonymous_per_address", limits.address_key(request.remote_addr or ""))


def current_caller() -> Caller:
    """Return the caller of an endpoint that requires no token."""
    sock = request.environ.get("gunicorn.socket")
    own_address = (
        sock.getsockname()[0].removeprefix("::ffff:") if sock is not None and sock.family in _INTERNET else None
    )
    return Caller(request.remote_addr or "", bool(request.environ.get(IS_FORWARDED)), _bearer_token(), own_address)


def _bearer_token() -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token else None


def current_client() -> ClientInfo:
    """Return the client's address and user agent. Only a trusted proxy can state the address."""
    return ClientInfo(ip=request.remote_addr or "", user_agent=request.headers.get("User-Agent", ""))
