"""The one redis-py client of an app, for presence, nodes and limits (the bus has connections of its own).

Every wait is bounded: a Redis that hangs costs its caller a second, and every caller can go on without an answer.
Requests and commands query Redis through the circuit breaker (gate.py). Background work uses the client directly and
retries.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import redis
from flask import Flask, current_app
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.exceptions import OutOfMemoryError, ReadOnlyError, ResponseError
from redis.retry import Retry
from redis.sentinel import Sentinel

from imapp import metrics
from imapp.cluster.address import Address, parse
from imapp.cluster.gate import AT_ONCE, Gate, RedisError
from imapp.database import release

__all__ = ["RedisError", "ResponseError", "ask", "client", "client_of", "close"]

T = TypeVar("T")

#: Seconds to wait for a connection to open, for one answer, and for a free connection of the pool.
_SECONDS = 1.0

#: Maximum number of connections to each server: AT_ONCE behind the circuit breaker, and 8 for background work.
_CONNECTIONS = AT_ONCE + 8

_EXTENSION = "imapp.redis"
_GATE = "imapp.redis_gate"


class _LazyCluster:
    """A Redis Cluster client that is created with the first query, because creating it requests the map of slots."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._client: Any = None
        self._turn = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        with self._turn:
            if self._client is None:
                self._client = self._make()
        return getattr(self._client, name)

    def close(self) -> None:
        """Close the client's connections, if it was created."""
        if self._client is not None:
            self._client.close()


def client() -> Any:
    """Return the client of the current app; None without Redis (REDIS_URL is unset)."""
    return client_of(current_app)


def client_of(app: Flask) -> Any:
    """Return the client of an app, None without Redis; it opens no connection before it is used."""
    url = app.config["IMAPP"].redis_url
    if url is None:
        return None
    if _EXTENSION not in app.extensions:
        app.extensions.setdefault(_EXTENSION, _timed(_make(parse(url))))
    return app.extensions[_EXTENSION]


def ask(question: Callable[[], T]) -> T | None:
    """Run a query that a request or command waits for; return None if Redis does not answer."""
    release()  # Redis may take a second to answer: do not hold a database connection meanwhile
    gate: Gate = current_app.extensions.setdefault(_GATE, Gate())
    return gate.ask(question)


def close(app: Flask) -> None:
    """Close the connections of an app's client."""
    made = app.extensions.pop(_EXTENSION, None)
    if made is not None:
        made.close()


def _timed(made: Any) -> Any:
    """Measure how long the client's commands take, failed ones included, and count refused writes."""
    if isinstance(made, _LazyCluster):
        return made  # `_make` wraps the real client when it is created
    execute = made.execute_command

    def timed(*arguments: Any, **options: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(*arguments, **options)
        except ResponseError as exc:
            if isinstance(exc, (OutOfMemoryError, ReadOnlyError)) or str(exc).startswith("MISCONF"):
                metrics.REDIS_WRITES_REFUSED.inc()
            raise
        finally:
            metrics.REDIS_SECONDS.observe(time.perf_counter() - began)

    made.execute_command = timed
    return made


def _make(address: Address) -> Any:
    if address.kind == "cluster":
        nodes = [ClusterNode(host, port) for host, port in address.hosts]
        return _LazyCluster(lambda: _timed(redis.RedisCluster(startup_nodes=nodes, **_options(address))))
    if address.kind == "sentinel":
        credentials = {"username": address.username or None, "password": address.password or None}
        sentinel = Sentinel(
            list(address.hosts), sentinel_kwargs={**credentials, "socket_timeout": _SECONDS}, **_options(address)
        )
        return sentinel.master_for(address.master, db=address.db)
    where: dict[str, Any] = {"connection_class": redis.UnixDomainSocketConnection, "path": address.path}
    if not address.path:
        kind = redis.SSLConnection if address.tls else redis.Connection
        where = {"connection_class": kind, "host": address.hosts[0][0], "port": address.hosts[0][1]}
    options = _options(address)
    options.pop("ssl", None)
    pool = redis.BlockingConnectionPool(timeout=_SECONDS, db=address.db, **where, **options)
    return redis.Redis(connection_pool=pool)


def _options(address: Address) -> dict[str, Any]:
    options: dict[str, Any] = {
        "username": address.username or None,
        "password": address.password or None,
        "decode_responses": True,
        "socket_timeout": _SECONDS,
        "socket_connect_timeout": _SECONDS,
        "max_connections": _CONNECTIONS,
        # Retry once, at once, on a connection that died while it was idle; do not retry after a timeout.
        "retry": Retry(NoBackoff(), 1, (redis.ConnectionError,)),
    }
    if address.tls:
        options |= {"ssl": True, "ssl_ca_certs": address.ca_file}
    return options
