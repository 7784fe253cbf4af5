"""The presence of the cluster: this node's connections in memory, and those of the other nodes in Redis."""

import time
from collections.abc import Collection
from typing import Any

from imapp.cluster import redis
from imapp.cluster.registry.presence_local import LocalPresence
from imapp.cluster.registry.registry import ConnectionInfo, Registry

#: Seconds for which the list of all online users is cached.
_LIST_SECONDS = 1.0


class RedisPresence:
    """Implements presence.Presence. While Redis is away, each answer covers this node only."""

    def __init__(self, local: LocalPresence, registry: Registry, node_id: str) -> None:
        self._local = local
        self._registry = registry
        self._node = node_id
        self._listed: list[int] = []
        self._listed_at = 0.0

    def online_among(self, user_ids: Collection[int]) -> set[int]:
        """Return the ids of the given users that are online; query Redis only for users without a connection here."""
        here = self._local.online_among(user_ids)
        others = [user_id for user_id in user_ids if user_id not in here]
        if not others:
            return here
        return here | (redis.ask(lambda: self._registry.online_among(others)) or set())

    def all_users(self) -> list[int]:
        """Return the sorted ids of all online users; up to _LIST_SECONDS old."""
        if time.monotonic() - self._listed_at > _LIST_SECONDS:
            found = redis.ask(self._registry.all_users)
            # If Redis refuses writes, this node's lease expires there, but this node's users are still online.
            self._listed = sorted({*(found or ()), *self._local.users()})
            self._listed_at = time.monotonic()
        return self._listed

    def connections_of(self, user_id: int) -> list[tuple[str, ConnectionInfo]]:
        """Return (node id, connection) of each open connection of a user."""
        found = redis.ask(lambda: self._registry.connections_of(user_id)) or []
        return self._local.connections_of(user_id) + [(node, one) for node, one in found if node != self._node]

    def connection(self, sid: str) -> ConnectionInfo | None:
        """Return a connection of any node; None if it does not exist, or is not this node's and Redis is away."""
        return self._local.connection(sid) or redis.ask(lambda: self._registry.connection(sid))

    def connections(self, node_id: str) -> list[ConnectionInfo]:
        """Return the connections of a node as Redis has them."""
        return redis.ask(lambda: self._registry.connections(node_id)) or []

    def reports(self) -> list[dict[str, Any]] | None:
        """Return the latest reports of the live nodes; None while Redis is away."""
        return redis.ask(self._registry.reports)

    def is_complete(self) -> bool:
        """Return False while Redis is away or refuses this node's lease."""
        return any(report["id"] == self._node for report in self.reports() or ())
