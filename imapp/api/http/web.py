"""The web page: its files, and the headers that keep foreign code out of it.

The page consists of modules without a build step (`web/`); third-party modules are fetched at set-up
(`scripts/fetch_web.py`). File names contain no hash, so browsers ask each time and are answered 304.
"""

from pathlib import Path

from flask import Blueprint, Response
from werkzeug.exceptions import NotFound
from werkzeug.security import safe_join

from imapp.api.http import web_files
from imapp.api.http.headers import own_sockets
from imapp.settings import PROJECT

WEB = PROJECT / "web"
#: Folders under `web/` that browsers get; the other files there are for set-up.
PARTS = ("css", "js", "vendor")
NOT_FETCHED = "The web page is not complete: run ./scripts/setup.sh, which fetches its modules.\n"

#: Nothing is loaded from other hosts, and no string can become markup or code (trusted types).
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'; "
    "connect-src 'self'"
)

bp = Blueprint("web", __name__)


@bp.get("/")
def page() -> Response:
    """Serve the page itself."""
    return _document("index.html")


@bp.get("/admin")
def admin() -> Response:
    """Serve the operators' page. It is public, but contains no data before the log-in."""
    return _document("admin.html")


def _document(name: str) -> Response:
    if not (WEB / "vendor" / ".stamp").is_file():
        return Response(NOT_FETCHED, status=503, mimetype="text/plain")
    return web_files.document(WEB / name).response(max_age=0)


@bp.get("/favicon.ico")
def favicon() -> Response:
    """Serve the icon at the path that browsers request by themselves."""
    return _file("css", "icon.svg")


@bp.get(f"/web/<any({', '.join(PARTS)}):part>/<path:name>")
def part(part: str, name: str) -> Response:
    """Serve a style sheet or a module."""
    return _file(part, name)


def _file(part: str, name: str) -> Response:
    path = safe_join(str(WEB / part), name)
    file = web_files.served(Path(path)) if path else None
    if file is None:
        raise NotFound
    return file.response(max_age=0)


@bp.after_request
def protect(response: Response) -> Response:
    """Set what the page may load and do, instead of the policy for other answers (`imapp.api.http.headers`)."""
    response.headers["Content-Security-Policy"] = POLICY + own_sockets()
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "no-cache"
    if response.vary:
        response.headers["Vary"] = "Accept-Encoding"  # not Origin: pages of other origins do not read these files
    return response
