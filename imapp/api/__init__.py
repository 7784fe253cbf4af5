"""The REST API: blueprints by noun.

Law of the folder: a view parses, calls one service, returns. No query, no rule, no try/except:
api/http/endpoint.py checks the input, api/http/errors.py turns errors into answers.
"""

from importlib import import_module

from flask import Flask

from imapp.node import node_of

#: The modules with a blueprint named `bp`, in the order of the OpenAPI document.
BLUEPRINTS = (
    "identity",
    "sessions",
    "users",
    "contacts",
    "contact_requests",
    "blocks",
    "groups",
    "group_members",
    "join_requests",
    "conversations",
    "messages",
    "traces",
    "sync",
    "stats",
    "admin_login",
    "administration",
    "accounts",
    "cluster",
    "health",
    "metrics",
    "client_config",
    "http.docs",
    "http.web",
)


def init_api(app: Flask) -> None:
    """Register the REST API with the app."""
    # Imported here, because the views import this package.
    from imapp.api.http.converters import IdConverter, MessageIdConverter
    from imapp.api.http.errors import init_errors
    from imapp.api.http.headers import init_headers
    from imapp.api.http.json import OrjsonProvider
    from imapp.api.http.request_log import init_request_log
    from imapp.api.http.timing import init_timing

    app.json = OrjsonProvider(app)
    app.url_map.converters["id"] = IdConverter
    app.url_map.converters["message"] = MessageIdConverter
    app.config["MAX_CONTENT_LENGTH"] = node_of(app).settings.request_max_bytes
    init_request_log(app)
    init_errors(app)
    init_headers(app, node_of(app).settings.allowed_origins)
    for name in BLUEPRINTS:
        app.register_blueprint(import_module(f"imapp.api.{name}").bp)
    init_timing(app)
