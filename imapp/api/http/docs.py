"""The OpenAPI document, and a page for people that is generated from it."""

import orjson
from flask import Blueprint, Response, current_app, render_template

from imapp.api.http.openapi import document
from imapp.prepared import prepared
from imapp.schemas.base import JsonObject

#: Seconds that a client may use a document without asking whether it has changed.
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
    """Serve the document. It is public, because the API's paths are no secret."""
    return prepared("openapi", lambda: orjson.dumps(document(current_app)), "application/json", MAX_AGE)


@bp.get("/docs")
def page() -> Response:
    """Serve the document as a page for people, without scripts or files from other hosts."""
    return prepared("docs", _page, "text/html", MAX_AGE)


def _page() -> bytes:
    described = document(current_app)
    sections: dict[str, list[JsonObject]] = {}  # the operations by tag
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            entry = {**operation, "method": method.upper(), "path": path}
            sections.setdefault(operation["tags"][0], []).append(entry)
    return render_template("docs.html", document=described, sections=sections).encode()
