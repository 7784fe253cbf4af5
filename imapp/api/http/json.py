"""JSON of the REST API: strict parsing, fast serialisation."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from flask import Response, request
from flask.json.provider import JSONProvider
from gevent import Timeout, monkey
from gunicorn.http.errors import ParseException

from imapp.errors import MalformedError, RequestTimeoutError, UnsupportedMediaTypeError
from imapp.extensions import settings
from imapp.schemas.base import JsonObject
from imapp.schemas.validation import require_plain


class OrjsonProvider(JSONProvider):
    """orjson as Flask's JSON provider: it refuses NaN, lone surrogates, invalid UTF-8, and is several times faster."""

    def dumps(self, obj: object, **_options: object) -> str:
        """Return the value as JSON text."""
        return orjson.dumps(obj).decode()

    def loads(self, s: str | bytes, **_options: object) -> Any:
        """Parse JSON; raises ValueError for other text."""
        return orjson.loads(s)


def json_response(payload: object, status: int = 200) -> Response:
    """Return a response with a JSON body."""
    return Response(orjson.dumps(payload), status, mimetype="application/json")


def receive_body(max_bytes: int) -> None:
    """Read the body of the request into memory. Call this before the request holds any resource.

    gunicorn closes the connection after a body that was not read to its end. Raises MalformedError if HTTP's own
    framing is broken, RequestTimeoutError, and werkzeug's 413 for a body larger than `max_bytes`.
    """
    request.max_content_length = max_bytes
    try:
        with _deadline(settings.body_timeout_seconds):
            request.get_data()
    except (OSError, ParseException):
        raise MalformedError("The body could not be read.") from None


@contextmanager
def _deadline(seconds: int) -> Iterator[None]:
    """Limit the time of all reads together: a client that sends a byte a second must not stay indefinitely."""
    if not monkey.is_module_patched("socket"):  # threads of tests and of the development server
        yield
        return
    with Timeout(seconds, RequestTimeoutError()):
        yield


def read_body() -> JsonObject:
    """Return the request's JSON object; raises MalformedError or UnsupportedMediaTypeError."""
    if not request.is_json:
        raise UnsupportedMediaTypeError
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMediaTypeError("The body must not be compressed.")
    try:
        value = orjson.loads(request.get_data())
    except orjson.JSONDecodeError:
        raise MalformedError("The body is not valid JSON.") from None
    if not isinstance(value, dict):
        raise MalformedError("The body must be a JSON object.")
    require_plain(value)
    return value
