"""imapp: a self-hosted instant-messaging server.

A module imports only from the layers below its own (import-linter enforces it):

    app
    cli
    doctor
    api | realtime
    services
    cluster | models
    database | engine | load
    events | extensions | prepared | slow_readers | trusted_proxies
    node | telemetry
    schemas
    errors
    logs
    clock | settings

docs/architecture.md says what each layer contains.
"""

__version__ = "0.1.0"

#: Incremented only when something is removed from REST or Socket.IO, or changes its meaning (docs/api-versioning.md).
API_VERSION = 1
