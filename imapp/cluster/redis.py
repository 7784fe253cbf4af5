"""The one redis-py client of an app, for presence, nodes and limits (the bus has connections of its own).

Every wait is bounded: a Redis that hangs costs its caller a second, and every caller can go on without an answer.
Requests and commands query Redis through the circuit breaker (circuit_breaker.py). Background work uses the client
directly and retries.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import redis
from flask import Flask, current_app
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.exceptions import OutOfMemoryError, ReadOnlyError, ResponseError
from redis.retry import Retry
from redis.sentinel import Sentinel

from imapp.cluster.circuit_breaker import AT_ONCE, CircuitBreaker, RedisError
from imapp.cluster.redis_url import RedisUrl, parse
from imapp.database.transactions import release
from imapp.node import current_node, node_of
from imapp.telemetry import metrics

__all__ = ["RedisError", "ResponseError", "ask", "client", "client_of", "close"]

T = TypeVar("T")

#: Seconds to wait for a connection to open, for one answer, and for a free connection of the pool.
_SECONDS = 1.0

#: Maximum number of connections to each server: AT_ONCE behind the circuit breaker, and 8 for background work.
_CONNECTIONS = AT_ONCE + 8


class _Timed:
    """Mixed into redis-py's clients: counts how long each command takes, whether it succeeds or fails."""

    def execute_command(self, *arguments: Any, **options: Any) -> Any:
        """Send a command and return its reply; count it."""
        began = time.perf_counter()
        try:
            return super().execute_command(*arguments, **options)  # type: ignore[misc]  # of the client it is mixed into
        except ResponseError as exc:
            if isinstance(exc, (OutOfMemoryError, ReadOnlyError)) or str(exc).startswith("MISCONF"):
                metrics.REDIS_WRITES_REFUSED.inc()
            raise
        finally:
            metrics.REDIS_SECONDS.observe(time.perf_counter() - began)


class _Redis(_Timed, redis.Redis):
    """A client of one server."""


class _RedisCluster(_Timed, redis.RedisCluster):
    """A client of a Redis Cluster."""


@dataclass(frozen=True)
class _Client:
    """The node's one client: of one server, of the master that Sentinels name, or of a Redis Cluster."""

    client: Any


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
    """Return the client of the current app, as `client_of`."""
    return client_of(current_app)


def client_of(app: Flask) -> Any:
    """Return the client of an app with a REDIS_URL; it opens no connection before it is used."""
    node = node_of(app)
    return node.part_or(_Client, lambda: _Client(_make(parse(str(node.settings.redis_url))))).client


def ask(question: Callable[[], T]) -> T | None:
    """Run a query that a request or command waits for; return None if Redis does not answer."""
    release()  # Redis may take a second to answer: do not hold a database connection meanwhile
    return current_node().part_or(CircuitBreaker, CircuitBreaker).ask(question)


def close(app: Flask) -> None:
    """Close the connections of an app's client."""
    made = node_of(app).remove(_Client)
    if made is not None:
        made.client.close()


def _make(address: RedisUrl) -> Any:
    if address.kind == "cluster":
        nodes = [ClusterNode(host, port) for host, port in address.hosts]
        return _LazyCluster(lambda: _RedisCluster(startup_nodes=nodes, **_options(address)))
    if address.kind == "sentinel":
        credentials = {"username": address.username or None, "password": address.password or None}
        sentinel = Sentinel(
            list(address.hosts), sentinel_kwargs={**credentials, "socket_timeout": _SECONDS}, **_options(address)
        )
        return sentinel.master_for(address.master, redis_class=_Redis, db=address.db)
    where: dict[str, Any] = {"connection_class": redis.UnixDomainSocketConnection, "path": address.path}
    if not address.path:
        kind = redis.SSLConnection if address.tls else redis.Connection
        where = {"connection_class": kind, "host": address.hosts[0][0], "port": address.hosts[0][1]}
    options = _options(address)
    options.pop("ssl", None)
    pool = redis.BlockingConnectionPool(timeout=_SECONDS, db=address.db, **where, **options)
    return _Redis(connection_pool=pool)


def _options(address: RedisUrl) -> dict[str, Any]:
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
