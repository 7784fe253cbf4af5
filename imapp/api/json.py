"""JSON of the REST door: strict in, fast out."""

from typing import Any

import orjson
from flask import Response, request
from flask.json.provider import JSONProvider

from imapp.errors import MalformedError, UnsupportedMediaTypeError
from imapp.schemas.validation import require_plain


class OrjsonProvider(JSONProvider):
    """orjson as Flask's JSON: it refuses NaN, lone surrogates, invalid UTF-8, and is several times faster."""

    def dumps(self, obj: Any, **_options: Any) -> str:
        """Serialise to text."""
        return orjson.dumps(obj).decode()

    def loads(self, s: str | bytes, **_options: Any) -> Any:
        """Parse; raises ValueError for what is not JSON."""
        return orjson.loads(s)


def json_response(payload: Any, status: int = 200) -> Response:
    """Answer with JSON."""
    return Response(orjson.dumps(payload), status, mimetype="application/json")


def read_body() -> dict[str, Any]:
    """The request's JSON object; raises MalformedError or UnsupportedMediaTypeError."""
    if not request.is_json:
        raise UnsupportedMediaTypeError
    try:
        value = orjson.loads(request.get_data())
    except orjson.JSONDecodeError:
        raise MalformedError("The body is not valid JSON.") from None
    if not isinstance(value, dict):
        raise MalformedError("The body must be a JSON object.")
    require_plain(value)
    return value
