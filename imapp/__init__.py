"""imapp: a self-hosted instant-messaging server.

Imports point down only (import-linter enforces it):

    app                     create_app(): assembles everything
    cli                     `flask im ...`
    doctor                  `flask im doctor`: what is wrong with the path from a client to the database
    api | realtime          two doors into the same house: REST | Socket.IO
    services                the rules; the only writers; the only publishers
    cluster | models        what nodes share | tables
    database                transactions, column types, work off the event loop
    load                    the load test: a client, of which the server knows nothing
    events | extensions     what is pushed to clients | unbound db, migrate, socketio
    schemas                 request bodies, representations
    errors                  every error that a client may receive
    logs                    lines of the log
"""

__version__ = "0.1.0"

#: Grows only when something is removed from REST or Socket.IO, or changes its meaning (docs/api-versioning.md).
API_VERSION = 1
