"""Count and time the requests of each route for the metrics, by rule: a path may contain anything."""

import time

from flask import Flask, Response, g, request

from imapp.api.http.endpoint import Endpoint
from imapp.telemetry import metrics

#: The route that metrics show for requests that match no rule.
_UNKNOWN = "unknown"

#: Methods that become labels; any other one, which a client may invent, is counted as `other`.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def init_timing(app: Flask) -> None:
    """Count all requests of the app. Call this after its routes are registered, so that they are shown at 0."""
    metrics.HTTP_SECONDS.of(_UNKNOWN)
    metrics.HTTP_REQUESTS.add(_UNKNOWN, "GET", "404", count=0)
    for rule in app.url_map.iter_rules():
        metrics.HTTP_SECONDS.of(rule.rule)
        view = app.view_functions[rule.endpoint]
        statuses = view.statuses if isinstance(view, Endpoint) else (200,)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            for status in (*statuses, 500):
                metrics.HTTP_REQUESTS.add(rule.rule, method, str(status), count=0)
    app.before_request(_begin)
    app.after_request(_end)


def _begin() -> None:
    g.began = time.perf_counter()


def _end(response: Response) -> Response:
    route = request.url_rule.rule if request.url_rule else _UNKNOWN
    method = request.method if request.method in _METHODS else "other"
    metrics.HTTP_REQUESTS.add(route, method, str(response.status_code))
    metrics.HTTP_SECONDS.of(route).observe(time.perf_counter() - g.began)
    return response
