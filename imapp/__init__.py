"""imapp: a self-hosted instant-messaging server.

Imports point down only (import-linter enforces it):

    app                     create_app(): assembles everything
    cli                     `flask im ...`
    doctor                  `flask im doctor`: checks the path from a client to the database
    api | realtime          the two interfaces: REST | Socket.IO
    services                the rules; only services write to the database and publish events
    cluster | models        state that the nodes share | tables
    database                transactions, column types, work off the event loop
    load                    the load test: a client that the server does not import
    events | extensions     events pushed to clients | unbound db, migrate, socketio
    schemas                 request bodies, representations
    errors                  every error that a client may receive
    logs                    log lines
"""

__version__ = "0.1.0"

#: Incremented only when something is removed from REST or Socket.IO, or changes its meaning (docs/api-versioning.md).
API_VERSION = 1
