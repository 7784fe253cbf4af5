"""Turn every error of a request into an RFC 9457 problem+json answer."""

from http import HTTPStatus

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from imapp.api.http.json import json_response
from imapp.database.errors import as_app_error
from imapp.errors import (
    AppError,
    MalformedError,
    MethodNotAllowedError,
    NotFoundError,
    TooLargeError,
    UnsupportedMediaTypeError,
)
from imapp.logs import get_logger
from imapp.schemas.base import JsonObject

log = get_logger(__name__)

#: Our errors for the HTTP statuses that Flask and werkzeug raise by themselves.
_OURS: dict[int, type[AppError]] = {
    400: MalformedError,
    404: NotFoundError,
    405: MethodNotAllowedError,
    413: TooLargeError,
    415: UnsupportedMediaTypeError,
}

#: The page that a browser gets instead of a 404 in JSON.
_NOWHERE = (
    '<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Not found</title>\n'
    '<h1>Not found</h1>\n<p>There is nothing at this address. <a href="/">To the chat</a></p>\n'
)


def init_errors(app: Flask) -> None:
    """Register handlers for every error of the app."""
    app.register_error_handler(AppError, problem)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)


def problem(error: AppError) -> Response:
    """Return the error as problem+json, with the headers that its status requires."""
    log.debug("request_refused", code=error.code, status=error.status)
    response = json_response(problem_body(error), error.status)
    response.mimetype = "application/problem+json"
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(max(1, round(error.retry_after + 0.5)))
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def problem_body(error: AppError) -> JsonObject:
    """Return the JSON object that the schema `Problem` describes."""
    title = HTTPStatus(error.status).phrase
    body = {"type": "about:blank", "title": title, "status": error.status}
    body |= {"code": error.code, "detail": error.message}
    if error.fields:
        body["errors"] = error.fields
    if error.retry_after is not None:
        body["retry_after"] = round(error.retry_after, 3)
    return body


def _http_error(exc: HTTPException) -> Response:
    """Keep redirects and the header Allow; replace other HTTP errors by our own."""
    if exc.code is None or exc.code < 400:
        return Response(exc.get_response().get_data(), exc.code, exc.get_headers())
    if exc.code == 404 and _is_for_a_person():
        return Response(_NOWHERE, 404, mimetype="text/html")
    error = _OURS.get(exc.code, AppError)()
    error.status = exc.code
    if error.code == AppError.code and exc.code < 500:
        error.code, error.message = "bad_request", exc.name
    response = problem(error)
    if "Allow" in (headers := dict(exc.get_headers())):
        response.headers["Allow"] = headers["Allow"]
    return response


def _is_for_a_person() -> bool:
    """Return whether a browser asked for a page, rather than a program for data."""
    best = request.accept_mimetypes.best_match(["application/problem+json", "application/json", "text/html"])
    return best == "text/html" and not request.path.startswith(("/api", "/actuator"))


def _unexpected(exc: Exception) -> Response:
    """Answer a bug, or a database that does not respond. The client only learns which of the two it was.

    The log names the rule, not the path: a path may contain anything.
    """
    error = as_app_error(exc)
    if error is None:
        log.error("request_failed", code=AppError.code, rule=str(request.url_rule), exc_info=exc)
        return problem(AppError())
    log.warning("request_failed", code=error.code, rule=str(request.url_rule), error=type(exc).__name__)
    return problem(error)
