"""The addresses of an app, as somebody without a token may ask for them."""

from collections.abc import Iterator

from flask import Flask

from imapp.api.contract import Endpoint
from imapp.api.web import WEB

#: A value for each parameter that stands in a path.
_FILLED = {"part": "js", "name": "main.js", "filename": "docs.css"}


def public_addresses(app: Flask) -> Iterator[tuple[str, str]]:
    """Method and path of every route that needs no token; every file of the web page is one."""
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
