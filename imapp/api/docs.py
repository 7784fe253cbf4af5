"""The OpenAPI document and a page that people can read, made of the document alone."""

from typing import Any

import orjson
from flask import Blueprint, Response, current_app, render_template

from imapp.api.openapi import document
from imapp.prepared import prepared

#: Seconds that a client may use a document without asking whether it is still the same.
MAX_AGE = 300

bp = Blueprint(
    "docs",
    __name__,
    url_prefix="/api",
    template_folder="templates",
    static_folder="static",
    static_url_path="/docs",
)


@bp.get("/openapi.json")
def openapi() -> Response:
    """The document; public, as the addresses of the API are no secret."""
    return prepared("openapi", lambda: orjson.dumps(document(current_app)), "application/json", MAX_AGE)


@bp.get("/docs")
def page() -> Response:
    """The document for people: no script, nothing from elsewhere."""
    return prepared("docs", _page, "text/html", MAX_AGE)


def _page() -> bytes:
    described = document(current_app)
    return render_template("docs.html", document=described, sections=_sections(described["paths"])).encode()


def _sections(paths: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The operations by noun."""
    sections: dict[str, list[dict[str, Any]]] = {}
    for path, operations in paths.items():
        for method, operation in operations.items():
            entry = {**operation, "method": method.upper(), "path": path}
            sections.setdefault(operation["tags"][0], []).append(entry)
    return sections
