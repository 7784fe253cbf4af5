"""PyMySQL's connections, which share a TLS context.

PyMySQL makes a context for each connection, TLS or not, and with it reads all certificates that the system trusts:
tens of milliseconds of computing, in which no greenlet of the node runs. A crowd that syncs at one moment opens and
drops connections by the dozen.
"""

import ssl
from typing import Any

from pymysql.connections import Connection

_contexts: dict[str, ssl.SSLContext] = {}


class SharingConnection(Connection):
    """A connection that takes the context of the first one with the same TLS options."""

    def _create_ssl_ctx(self, sslp: Any) -> ssl.SSLContext:
        key = repr(sorted(sslp.items())) if isinstance(sslp, dict) else ""
        if not key:
            return super()._create_ssl_ctx(sslp)  # type: ignore[misc, no-any-return]  # not in the stubs
        if key not in _contexts:
            _contexts[key] = super()._create_ssl_ctx(sslp)  # type: ignore[misc]  # as above
        return _contexts[key]


def connect(_dialect: Any, _record: Any, arguments: list[Any], options: dict[str, Any]) -> SharingConnection:
    """Connect in SQLAlchemy's stead (its event do_connect)."""
    return SharingConnection(*arguments, **options)
