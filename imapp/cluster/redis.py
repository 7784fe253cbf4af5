"""The one redis-py client of an app, for presence, nodes and limits (the bus has connections of its own).

Every wait is bounded: a Redis that hangs costs its asker a second, and whoever asks has an answer without Redis.
redis-py 8 gives each pool 100 connections and then fails; this one waits for its turn instead.
"""

from typing import Any

import redis
from flask import Flask, current_app
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.retry import Retry
from redis.sentinel import Sentinel

from imapp.cluster.address import Address, parse

#: What callers catch: Redis is away, or refuses.
RedisError = redis.RedisError

#: Seconds that connecting, one answer, or a free connection may take.
_SECONDS = 1.0

#: Connections at most; who comes later waits.
_CONNECTIONS = 16

_EXTENSION = "imapp.redis"


def client() -> Any:
    """The client of the app at hand; None when there is no Redis (REDIS_URL is unset)."""
    return client_of(current_app)


def client_of(app: Flask) -> Any:
    """The client of an app; opens no connection before it is used (a Redis Cluster is asked for its map)."""
    url = app.config["IMAPP"].redis_url
    if url is None:
        return None
    if _EXTENSION not in app.extensions:
        app.extensions[_EXTENSION] = _make(parse(url))
    return app.extensions[_EXTENSION]


def close(app: Flask) -> None:
    """Close its connections."""
    made = app.extensions.pop(_EXTENSION, None)
    if made is not None:
        made.close()


def _make(address: Address) -> Any:
    if address.kind == "cluster":
        nodes = [ClusterNode(host, port) for host, port in address.hosts]
        return redis.RedisCluster(startup_nodes=nodes, max_connections=_CONNECTIONS, **_options(address))
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
    pool = redis.BlockingConnectionPool(
        max_connections=_CONNECTIONS, timeout=_SECONDS, db=address.db, **where, **options
    )
    return redis.Redis(connection_pool=pool)


def _options(address: Address) -> dict[str, Any]:
    options: dict[str, Any] = {
        "username": address.username or None,
        "password": address.password or None,
        "decode_responses": True,
        "socket_timeout": _SECONDS,
        "socket_connect_timeout": _SECONDS,
        # Once more on a connection that died while it was idle, at once.
        "retry": Retry(NoBackoff(), 1),
    }
    if address.tls:
        options |= {"ssl": True, "ssl_ca_certs": address.ca_file}
    return options
