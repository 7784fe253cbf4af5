"""The state of every Redis server that the nodes use: one server, the Sentinels' master, or a Cluster's masters."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from redis import ConnectionPool
from redis.exceptions import NoPermissionError

from imapp.cluster import redis
from imapp.cluster.redis_url import parse
from imapp.doctor.context import Context
from imapp.doctor.latency import minimum_ms
from imapp.schemas.base import JsonObject

_CONFIG = ("maxmemory", "maxmemory-policy", "maxclients", "client-output-buffer-limit", "appendonly", "save")


@dataclass(frozen=True)
class Server:
    """The state of one server. `info` and `config` are empty if the nodes' user may not read them."""

    name: str
    ping_ms: float
    info: JsonObject
    config: dict[str, str]


def servers(context: Context) -> list[Server]:
    """Read the state of all servers; raises redis.RedisError."""
    client = redis.client()
    if parse(str(context.settings.redis_url)).kind != "cluster":
        return [_state_of("", client)]
    return [_state_of(node.name, client.get_redis_connection(node)) for node in client.get_primaries()]


def _state_of(name: str, client: Any) -> Server:
    return Server(
        name or _name_of(client),
        minimum_ms(client.ping),
        _permitted(client.info),
        _permitted(lambda: client.config_get(*_CONFIG)),
    )


def _name_of(client: Any) -> str:
    pool: ConnectionPool = client.connection_pool
    options = pool.connection_kwargs
    return str(options.get("path") or f"{options['host']}:{options['port']}") if "host" in options else "the master"


def _permitted(read: Callable[[], Any]) -> dict[str, Any]:
    """Return what a command reads; empty if the nodes' user may not run it."""
    try:
        return dict(read())
    except NoPermissionError:
        return {}
