"""One decorator for all REST views: it declares the input, the output and the permitted callers.

The view's own signature is the declaration, read once when the view is defined: `actor` requires a bearer token,
`body` and `query` are checked against their schemas, all other parameters come from the path. The return annotation
is the answer's schema. api/http/openapi.py writes the document from the same declaration, so that it cannot differ from
the code.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import update_wrapper
from typing import Any, TypedDict, Unpack, get_type_hints

import orjson
from flask import Response, request
from pydantic import BaseModel
from werkzeug.http import http_date

from imapp.api.http.caller import count_anonymous, current_actor
from imapp.api.http.idempotency import HEADER, once
from imapp.api.http.json import json_response, read_body, receive_body
from imapp.errors import AppError, InvalidInputError
from imapp.extensions import settings
from imapp.prepared import prepared
from imapp.schemas.base import SMALL_BODY, In, Out
from imapp.schemas.validation import parse, parse_strings

View = Callable[..., Any]


@dataclass(frozen=True)
class Deprecated:
    """The deprecation of an operation: its date, the date of removal, and a link to the replacement."""

    since: date
    sunset: date
    link: str

    def headers(self) -> dict[str, str]:
        """Return the headers of RFC 9745 and RFC 8594, by which clients learn of the removal in advance."""
        return {
            "Deprecation": f"@{int(_midnight(self.since).timestamp())}",
            "Sunset": http_date(_midnight(self.sunset)),
            "Link": f'<{self.link}>; rel="deprecation"; type="text/markdown"',
        }


class Options(TypedDict, total=False):
    """Options that few views need."""

    #: Seconds that clients may reuse the answer. It is built once, so it must be the same for everybody.
    max_age: int
    #: The deprecation of the operation.
    deprecated: Deprecated
    #: Whether the body is limited to IM_REQUEST_MAX_BYTES instead of SMALL_BODY.
    is_large: bool
    #: Path of the created resource, with fields of the answer in braces: the header `Location` of a 201.
    location: str


class Endpoint:
    """A view with its declaration; Flask calls it with the parameters of the path."""

    __name__: str

    def __init__(
        self,
        view: View,
        statuses: tuple[int, ...],
        returns: type[BaseModel] | None,
        errors: Sequence[type[AppError]],
        options: Options,
    ) -> None:
        """Read the view's signature."""
        hints = get_type_hints(view)
        self.view = view
        self.body: type[In] | None = hints.get("body")
        self.query: type[In] | None = hints.get("query")
        self.needs_actor = "actor" in hints
        self.answer: type[BaseModel] | None = returns or _schema(hints["return"])
        self.statuses = statuses or (204 if self.answer is None else 200,)
        self.errors = tuple(errors)
        self.max_age = options.get("max_age")
        self.deprecated = options.get("deprecated")
        self.is_large = options.get("is_large", False)
        self.location = options.get("location")
        update_wrapper(self, view)

    def __call__(self, **path: object) -> Response:
        """Check the input, call the view, render its answer. The actor is checked before anything is parsed."""
        if self.max_age is None:
            response = self._answer(path)
        else:  # the answer is the same for everybody: it is built for the first request
            response = prepared(
                self.__name__, lambda: orjson.dumps(self.view().wire()), "application/json", self.max_age
            )
        if self.location and response.status_code == 201:
            response.headers["Location"] = self.location.format_map(orjson.loads(response.get_data()))
        if self.deprecated is not None:
            response.headers.extend(self.deprecated.headers())
        return response

    def _answer(self, path: dict[str, object]) -> Response:
        inputs: dict[str, Any] = {}
        if self.body is not None or HEADER in request.headers:
            # Read the body before looking up the session: a slow body must not hold a database connection.
            if not self.needs_actor:
                count_anonymous()
            receive_body(settings.request_max_bytes if self.is_large else min(SMALL_BODY, settings.request_max_bytes))
        if self.needs_actor:
            inputs["actor"] = current_actor()
        if self.query is not None:
            inputs["query"] = parse_strings(self.query, _query_string())
        if self.body is not None:
            inputs["body"] = parse(self.body, read_body())
        if self.needs_actor and request.method == "POST" and HEADER in request.headers:
            return once(inputs["actor"].user_id, lambda: self._render(self.view(**path, **inputs)))
        return self._render(self.view(**path, **inputs))

    def _render(self, result: object) -> Response:
        answer, status = result if isinstance(result, tuple) else (result, self.statuses[0])
        if status not in self.statuses:
            raise AssertionError(f"{self.__name__} does not declare the status {status}")
        if answer is None:
            response = Response(status=status)
            del response.headers["Content-Type"]
            return response
        return json_response(answer.wire() if isinstance(answer, Out) else answer, status)


def endpoint(
    *statuses: int,
    returns: type[BaseModel] | None = None,
    errors: Sequence[type[AppError]] = (),
    public: bool = False,
    **options: Unpack[Options],
) -> Callable[[View], Endpoint]:
    """Declare a REST view.

    `statuses`: the possible statuses, the usual one first (by default 200, or 204 without an answer). `returns`: the
    answer's schema, if the return annotation is not a schema. `errors`: errors to name in the document. Raises
    TypeError for a view that neither takes an actor nor is declared public.
    """

    def declare(view: View) -> Endpoint:
        if public == ("actor" in inspect.signature(view).parameters):
            raise TypeError(f"{view.__name__} must either take an actor or be public")
        return Endpoint(view, statuses, returns, errors, options)

    return declare


def _schema(annotation: object) -> type[BaseModel] | None:
    if annotation is type(None):
        return None
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    raise TypeError(f"give returns=: {annotation} is not a schema")


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def _query_string() -> dict[str, str]:
    repeated = [name for name, values in request.args.lists() if len(values) > 1]
    if repeated:
        fields = [{"field": name[:100], "message": "Given more than once"} for name in repeated]
        raise InvalidInputError(fields=fields)
    return request.args.to_dict()
