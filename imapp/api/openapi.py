"""The OpenAPI 3.1 document, written from the views' own declarations."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

from flask import Flask
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from werkzeug.routing import Rule

import imapp
from imapp.api.contract import Endpoint
from imapp.errors import AppError, InvalidTokenError
from imapp.schemas.base import MAX_ID
from imapp.schemas.problems import Problem

_REF = "#/components/schemas/{model}"
_PATH_PARAMETER = re.compile(r"<(?:(\w+):)?(\w+)>")
_PARAMETER_SCHEMAS: dict[str, dict[str, Any]] = {
    "id": {"type": "integer", "minimum": 1, "maximum": MAX_ID},
    "message": {"type": "string", "pattern": "^[1-9][0-9]{0,18}-[1-9][0-9]{0,18}$"},
}

_Schemas = dict[tuple[type[BaseModel], str], dict[str, Any]]


def document(app: Flask) -> dict[str, Any]:
    """Describe every view that has a contract."""
    views = sorted(_views(app), key=lambda found: (found[0].rule, found[1]))
    schemas, definitions = models_json_schema(sorted(_models(views), key=str), ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for rule, method, view in views:
        path = _PATH_PARAMETER.sub(r"{\2}", rule.rule)
        paths.setdefault(path, {})[method.lower()] = _operation(rule, view, schemas)  # type: ignore[arg-type]  # narrower keys
    return {
        "openapi": "3.1.0",
        "info": {"title": "imapp", "version": imapp.__version__, "description": _first_line(imapp)},
        "paths": paths,
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _views(app: Flask) -> Iterator[tuple[Rule, str, Endpoint]]:
    for rule in app.url_map.iter_rules():
        view: Any = app.view_functions[rule.endpoint]
        if isinstance(view, Endpoint):
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                yield rule, method, view


def _models(views: list[tuple[Rule, str, Endpoint]]) -> set[tuple[type[BaseModel], Any]]:
    """Every schema with its direction: what may come in can differ from what goes out."""
    models: set[tuple[type[BaseModel], Any]] = {(Problem, "serialization")}
    for _, _, view in views:
        if view.body is not None:
            models.add((view.body, "validation"))
        if view.answer is not None:
            models.add((view.answer, "serialization"))
    return models


def _operation(rule: Rule, view: Endpoint, schemas: _Schemas) -> dict[str, Any]:
    summary, _, description = (inspect.getdoc(view.view) or "").partition("\n")
    operation: dict[str, Any] = {
        "operationId": rule.endpoint,
        "tags": [rule.endpoint.partition(".")[0]],
        "summary": summary.rstrip("."),
        "parameters": [*_path_parameters(rule), *_query_parameters(view)],
        "responses": {**_answers(view, schemas), **_refusals(view, schemas)},
    }
    if description.strip():
        operation["description"] = description.strip()
    if view.deprecated is not None:
        operation["deprecated"] = True
    if view.needs_actor:
        operation["security"] = [{"bearer": []}]
    if view.body is not None:
        content = {"application/json": {"schema": schemas[view.body, "validation"]}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _path_parameters(rule: Rule) -> Iterator[dict[str, Any]]:
    for converter, name in _PATH_PARAMETER.findall(rule.rule):
        schema = _PARAMETER_SCHEMAS.get(converter, {"type": "string"})
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(view: Endpoint) -> Iterator[dict[str, Any]]:
    if view.query is None:
        return
    schema = view.query.model_json_schema()
    for name, field in schema["properties"].items():
        yield {"name": name, "in": "query", "required": name in schema.get("required", []), "schema": field}


def _answers(view: Endpoint, schemas: _Schemas) -> dict[str, Any]:
    if view.answer is None:
        return {str(status): {"description": "Done."} for status in view.statuses}
    content = {"application/json": {"schema": schemas[view.answer, "serialization"]}}
    return {str(status): {"description": _first_line(view.answer), "content": content} for status in view.statuses}


def _refusals(view: Endpoint, schemas: _Schemas) -> dict[str, Any]:
    """The named refusals by status; `default` stands for all others."""
    content = {"application/problem+json": {"schema": schemas[Problem, "serialization"]}}
    named: list[type[AppError]] = [*view.errors, *([InvalidTokenError] if view.needs_actor else [])]
    texts: dict[str, list[str]] = {}
    for error in named:
        texts.setdefault(str(error.status), []).append(f"`{error.code}`: {error.message}")
    texts["default"] = ["Refused: `code` says why."]
    return {status: {"description": " ".join(lines), "content": content} for status, lines in texts.items()}


def _first_line(described: object) -> str:
    return (inspect.getdoc(described) or "").partition("\n")[0]
