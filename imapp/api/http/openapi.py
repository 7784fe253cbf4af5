"""The OpenAPI 3.1 document, generated from the declarations of the views."""

import inspect
import re
from collections.abc import Iterator

from flask import Flask
from pydantic import BaseModel
from werkzeug.routing import Rule

import imapp
from imapp.api.http import openapi_headers
from imapp.api.http.endpoint import Endpoint
from imapp.api.http.idempotency import HEADER, PATTERN
from imapp.errors import (
    AppError,
    BusyError,
    IdempotencyKeyInUseError,
    IdempotencyKeyReusedError,
    InvalidInputError,
    InvalidTokenError,
    MalformedError,
    NotFoundError,
    RateLimitedError,
    RequestTimeoutError,
    SessionRevokedError,
    TokenExpiredError,
    TooLargeError,
    UnavailableError,
    UnsupportedMediaTypeError,
)
from imapp.schemas.base import MAX_ID, JsonObject
from imapp.schemas.json_schema import Mode, Schemas, WireSchema, describe, meaning
from imapp.schemas.problems import Problem
from imapp.schemas.refusals import all_errors, codes_of

_DESCRIPTION = """\
The REST API of imapp, a self-hosted instant-messaging server. Its Socket.IO API is described by /api/asyncapi.json.

Answers are open: newer servers may add fields and values, and a client must ignore the ones that it does not know.
`x-extensible-enum` lists the values that this version knows. Nothing is removed or renamed within a version of the API.
Every error is application/problem+json; branch on its `code`, never on its texts."""

_TAGS = {
    "auth": "Registration, log-in, token refresh, log-out, password.",
    "users": "Accounts and profiles.",
    "sessions": "The devices that are logged in.",
    "contacts": "Contacts.",
    "contact_requests": "Requests to become a contact.",
    "blocks": "Blocked users.",
    "conversations": "Conversations, the user's own settings for them, read marks.",
    "messages": "Messages: send, read, edit, recall, react, pin, forward.",
    "groups": "Groups and their settings.",
    "group_members": "Members of groups and their roles.",
    "join_requests": "Requests to join groups.",
    "sync": "The changes that a device missed.",
    "stats": "The users online.",
    "config": "The limits and features of this server.",
    "health": "Health of the node, for load balancers and operators.",
    "accounts": "For operators: invitations, approval of accounts, passwords of users.",
    "administration": "For operators: sessions, connections, nodes, the log of administrative acts.",
    "admin_login": "For operators: log-in with a second factor, and its enrolment.",
    "cluster": "For operators: the nodes, their rates and their last day.",
    "traces": "For operators: the delivery of a message.",
}

_PATH_PARAMETER = re.compile(r"<(?:(\w+):)?(\w+)>")
_PARAMETER_SCHEMAS: dict[str, JsonObject] = {
    "id": {"type": "integer", "minimum": 1, "maximum": MAX_ID},
    "message": {"type": "string", "pattern": "^[1-9][0-9]{0,18}-[1-9][0-9]{0,18}$"},
}


def document(app: Flask) -> JsonObject:
    """Return the document, with every view that is declared by `endpoint`."""
    views = sorted(_views(app), key=lambda found: (found[0].rule, found[1]))
    schemas, definitions = describe(_models(views))
    paths: dict[str, JsonObject] = {}
    for rule, method, view in views:
        path = _PATH_PARAMETER.sub(r"{\2}", rule.rule)
        paths.setdefault(path, {})[method.lower()] = _operation(rule, view, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "imapp",
            "version": imapp.__version__,
            "description": _DESCRIPTION,
            "contact": {"name": "The operator of this server"},
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "The server that served this document."}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": definitions,
            "headers": openapi_headers.COMPONENTS,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _views(app: Flask) -> Iterator[tuple[Rule, str, Endpoint]]:
    for rule in app.url_map.iter_rules():
        view: object = app.view_functions[rule.endpoint]
        if isinstance(view, Endpoint):
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                yield rule, method, view


def _models(views: list[tuple[Rule, str, Endpoint]]) -> set[tuple[type[BaseModel], Mode]]:
    """Return every schema with its direction: input and output can differ."""
    models: set[tuple[type[BaseModel], Mode]] = {(Problem, "serialization")}
    for _, _, view in views:
        if view.body is not None:
            models.add((view.body, "validation"))
        if view.answer is not None:
            models.add((view.answer, "serialization"))
    return models


def _operation(rule: Rule, view: Endpoint, schemas: Schemas) -> JsonObject:
    text = inspect.getdoc(view.view) or ""
    operation: JsonObject = {
        "operationId": rule.endpoint,
        "tags": [rule.endpoint.partition(".")[0]],
        "summary": text.partition("\n")[0].rstrip("."),
        "description": text,
        "parameters": list(_parameters(rule, view)),
        "responses": {**_answers(rule, view, schemas), **_refusals(rule, view, schemas)},
    }
    if view.deprecated is not None:
        operation["deprecated"] = True
    operation["security"] = [{"bearer": []}] if view.needs_actor else []
    if view.body is not None:
        content = {"application/json": {"schema": schemas[view.body, "validation"]}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _parameters(rule: Rule, view: Endpoint) -> Iterator[JsonObject]:
    for converter, name in _PATH_PARAMETER.findall(rule.rule):
        schema = _PARAMETER_SCHEMAS.get(converter, {"type": "string"})
        yield {"name": name, "in": "path", "required": True, "description": meaning(None, name), "schema": schema}
    if view.query is not None:
        query = view.query.model_json_schema(schema_generator=WireSchema)
        for name, field in query["properties"].items():
            text = field.pop("description", "")
            required = name in query.get("required", [])
            yield {"name": name, "in": "query", "required": required, "description": text, "schema": field}
    if view.needs_actor and "POST" in (rule.methods or ()):
        text = (
            "Chosen by the client, for example a UUID. If the request is repeated with the same key within 24 hours,"
            " it is not executed again and gets the first answer. Sent messages are identified by their client_id."
        )
        schema = {"type": "string", "pattern": PATTERN}
        yield {"name": HEADER, "in": "header", "required": False, "description": text, "schema": schema}


def _answers(rule: Rule, view: Endpoint, schemas: Schemas) -> JsonObject:
    is_post = "POST" in (rule.methods or ())
    answers: JsonObject = {}
    for status in view.statuses:
        answer = {"description": "Done.", "headers": openapi_headers.of_answer(view, status, is_post=is_post)}
        if view.answer is not None:
            answer["description"] = (inspect.getdoc(view.answer) or "").partition("\n")[0]
            answer["content"] = {"application/json": {"schema": schemas[view.answer, "serialization"]}}
        answers[str(status)] = answer
    if view.max_age is not None:
        answers["304"] = {"description": "The version named in `If-None-Match` is still current."}
    return answers


def _refusals(rule: Rule, view: Endpoint, schemas: Schemas) -> JsonObject:
    """Return the error answers by status, each with its codes; `default` stands for codes of newer servers."""
    content = {"application/problem+json": {"schema": schemas[Problem, "serialization"]}}
    errors = all_errors()
    by_status: dict[str, list[str]] = {}
    for code in sorted(codes_at(rule, view)):
        by_status.setdefault(str(errors[code].status), []).append(code)
    answers: JsonObject = {}
    for status, codes in sorted(by_status.items()):
        text = " ".join(f"`{code}`: {errors[code].message}" for code in codes)
        answers[status] = {"description": text, "content": content, "x-codes": codes}
        if headers := openapi_headers.of_refusal(view, status):
            answers[status]["headers"] = headers
    answers["default"] = {"description": "Refused for another reason: `code` says why.", "content": content}
    return answers


def codes_at(rule: Rule, view: Endpoint) -> set[str]:
    """Return the error codes of the operation itself, and of the checks before it."""
    codes = codes_of(rule.endpoint) if view.needs_actor or view.body else set()
    codes |= {error.code for error in view.errors} | {AppError.code, RateLimitedError.code}
    codes |= {BusyError.code, UnavailableError.code}
    if view.needs_actor:
        codes |= {InvalidTokenError.code, TokenExpiredError.code, SessionRevokedError.code}
    if view.body is not None:
        codes |= {MalformedError.code, RequestTimeoutError.code, TooLargeError.code, UnsupportedMediaTypeError.code}
    if view.needs_actor and "POST" in (rule.methods or ()):
        codes |= {IdempotencyKeyInUseError.code, IdempotencyKeyReusedError.code, InvalidInputError.code}
    if view.body is not None or view.query is not None:
        codes.add(InvalidInputError.code)
    if _PATH_PARAMETER.search(rule.rule):
        codes.add(NotFoundError.code)
    return codes
