"""Headers of every answer: security policy for browsers, access for other origins, rate limits.

The policy here is the strictest one. A view that serves more than data (the web page) sets its own.
"""

import re
from collections.abc import Collection

from flask import Flask, Response, g, request

from imapp.cluster import limits

#: Hosts that may be copied into a policy unchanged; a Host header can contain anything.
_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")

_FIXED = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}

#: Answers are data. The style sheet is for the page with the API's documentation.
_POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

#: Headers that pages of other origins may send, and headers that they may read.
_ALLOWED = "Authorization, Content-Type, Idempotency-Key, If-None-Match, X-Request-ID"
_EXPOSED = (
    "Deprecation, ETag, Idempotency-Replayed, Location, RateLimit, RateLimit-Policy, Retry-After, Sunset, X-Request-ID"
)

#: Two years, in seconds.
_HSTS = "max-age=63072000; includeSubDomains"


def init_headers(app: Flask, origins: Collection[str]) -> None:
    """Add the headers to every answer of the app."""

    def add(response: Response) -> Response:
        _protect(response)
        _share(response, origins)
        _add_quotas(response)
        return response

    app.after_request(add)


def own_sockets() -> str:
    """Return this host's WebSocket addresses for a policy's connect-src: older browsers exclude them from 'self'."""
    host = request.host
    return f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""


def _add_quotas(response: Response) -> None:
    """Add the number of calls that a logged-in client has left (draft-ietf-httpapi-ratelimit-headers-10)."""
    quotas = limits.quotas("commands_per_user", g.user_id) if "user_id" in g else []
    if quotas:
        policies = [f'"calls-{quota.window}s";q={quota.amount};w={quota.window}' for quota in quotas]
        left = [f'"calls-{quota.window}s";r={quota.left};t={quota.seconds}' for quota in quotas]
        response.headers["RateLimit-Policy"] = ", ".join(policies)
        response.headers["RateLimit"] = ", ".join(left)


def _protect(response: Response) -> None:
    for name, value in _FIXED.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Content-Security-Policy", _POLICY)
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", _HSTS)
    if request.path.startswith(("/api", "/actuator")):
        response.headers.setdefault("Cache-Control", "no-store")


def _share(response: Response, origins: Collection[str]) -> None:
    """Let configured origins read the API, without credentials: there are only bearer tokens, no cookies."""
    origin = request.headers.get("Origin")
    if not origins or origin is None:
        return
    response.vary.add("Origin")
    if origin not in origins and "*" not in origins:
        return
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Expose-Headers"] = _EXPOSED
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Headers"] = _ALLOWED
        response.headers["Access-Control-Allow-Methods"] = "GET, POST, PUT, PATCH, DELETE"
        response.headers["Access-Control-Max-Age"] = "600"
