"""The headers of answers, as the OpenAPI document describes them."""

from imapp.api.http.endpoint import Endpoint
from imapp.schemas.base import JsonObject

_TEXT = {"type": "string"}

#: All headers that the document describes.
COMPONENTS: dict[str, JsonObject] = {
    "ETag": {"description": "Version of the answer, for `If-None-Match` in the next request.", "schema": _TEXT},
    "Idempotency-Replayed": {
        "description": "`true`: this is the stored answer to an earlier request with the same `Idempotency-Key`.",
        "schema": {"type": "string", "const": "true"},
    },
    "Location": {"description": "Path of what was created.", "schema": {"type": "string", "format": "uri-reference"}},
    "RateLimit": {
        "description": "For each policy: `r` calls are left for `t` seconds. Absent while the server has no limits.",
        "schema": {**_TEXT, "examples": ['"calls-1s";r=59;t=1, "calls-60s";r=1799;t=60']},
    },
    "RateLimit-Policy": {
        "description": "The user's rate limits: `q` calls in `w` seconds. Absent while the server has no limits.",
        "schema": {**_TEXT, "examples": ['"calls-1s";q=60;w=1, "calls-60s";q=1800;w=60']},
    },
    "Retry-After": {
        "description": "Whole seconds to wait before repeating the request.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {"description": "`Bearer`.", "schema": _TEXT},
    "X-Request-ID": {"description": "Id of the request in the server's logs. A client may choose it.", "schema": _TEXT},
}

#: The header that goes with the status of an error.
_OF_REFUSALS = {"401": "WWW-Authenticate", "429": "Retry-After", "503": "Retry-After"}

_QUOTAS = ["RateLimit-Policy", "RateLimit"]


def of_answer(view: Endpoint, status: int, *, is_post: bool) -> JsonObject:
    """Return references to the headers of a view's answer."""
    names = ["X-Request-ID"]
    if view.needs_actor:
        names += _QUOTAS
    if view.needs_actor and is_post:
        names.append("Idempotency-Replayed")
    if view.location and status == 201:
        names.append("Location")
    if view.max_age is not None:
        names.append("ETag")
    return _references(names)


def of_refusal(view: Endpoint, status: str) -> JsonObject:
    """Return references to the headers of an error answer."""
    names = [_OF_REFUSALS[status]] if status in _OF_REFUSALS else []
    return _references([*names, *_QUOTAS] if view.needs_actor and status == "429" else names)


def _references(names: list[str]) -> JsonObject:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
