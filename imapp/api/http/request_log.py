"""Request ids and the access log. The id is part of each log line of the request, and is returned to the client.

A line of the access log (IM_ACCESS_LOG) has the path without the query string, and no header but the id.
"""

import re
import secrets
import time

from flask import Flask, Response, g, has_request_context, request

from imapp.logs import add_source, get_logger
from imapp.node import node_of

log = get_logger("imapp.access")

#: Ids that are accepted from Nginx or a client: they carry little data, and cannot forge a log line.
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")

#: Probes and scrapes arrive every few seconds from several clients; they are logged only if they fail.
_PROBES = "/actuator/"


def init_request_log(app: Flask) -> None:
    """Give each request an id. Call this before other `after_request` hooks are added, so that its own runs last."""
    add_source(request_fields)
    app.before_request(_begin)
    app.after_request(_write if node_of(app).settings.access_log else _name)


def request_fields() -> dict[str, object]:
    """Return the log fields of the request that this greenlet serves; none outside a request."""
    if not has_request_context():
        return {}
    known = {"request_id": g.get("request_id"), "user_id": g.get("user_id"), "remote": request.remote_addr}
    return {**known, "method": request.method}


def _begin() -> None:
    given = request.headers.get("X-Request-ID", "")
    g.request_id = given if _SANE_ID.fullmatch(given) else secrets.token_hex(16)
    g.began = time.perf_counter()


def _name(response: Response) -> Response:
    if "request_id" in g:
        response.headers["X-Request-ID"] = g.request_id
    return response


def _write(response: Response) -> Response:
    if response.status_code >= 500 or not request.path.startswith(_PROBES):
        log.info(
            "http_request",
            path=request.path,
            status=response.status_code,
            duration_ms=round((time.perf_counter() - g.began) * 1000, 1),
            bytes=response.calculate_content_length() if not response.is_streamed else response.content_length,
        )
    return _name(response)
