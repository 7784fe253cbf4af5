"""The paths of an app that a client without a token may request."""

from collections.abc import Iterator

from flask import Flask

from imapp.api.http.endpoint import Endpoint
from imapp.api.http.web import WEB

#: Values for parameters in paths; others get "1".
_FILLED = {"part": "js", "name": "main.js", "filename": "docs.css"}


def public_addresses(app: Flask) -> Iterator[tuple[str, str]]:
    """Yield method and path of every route that needs no token, including every file of the web page."""
    adapter = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        if isinstance(view, Endpoint) and view.needs_actor:
            continue
        for method in sorted((rule.methods or set()) - {"OPTIONS"}):
            values = {name: _FILLED.get(name, "1") for name in rule.arguments}
            yield method, adapter.build(rule.endpoint, values, method=method)
    yield "OPTIONS", "/api/users/me"
    for file in sorted(WEB.rglob("*.js")):
        yield "GET", f"/web/{file.relative_to(WEB)}"
    yield from [("GET", "/nowhere"), ("GET", "/api/nowhere"), ("POST", "/api/nowhere"), ("GET", "/web/js/nowhere.js")]
