"""The OpenAPI document and a page that people can read, made of the document alone."""

from typing import Any

from flask import Blueprint, Response, current_app, render_template

from imapp.api.json import json_response
from imapp.api.openapi import document

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
    return json_response(document(current_app))


@bp.get("/docs")
def page() -> str:
    """The document for people: no script, nothing from elsewhere."""
    described = document(current_app)
    return render_template("docs.html", document=described, sections=_sections(described["paths"]))


def _sections(paths: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The operations by noun."""
    sections: dict[str, list[dict[str, Any]]] = {}
    for path, operations in paths.items():
        for method, operation in operations.items():
            entry = {**operation, "method": method.upper(), "path": path}
            sections.setdefault(operation["tags"][0], []).append(entry)
    return sections
