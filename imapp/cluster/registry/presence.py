"""Presence: the online users, on this node and in the whole cluster.

A user is online while at least one connection is open on any node. This node's connections are kept in memory
(presence_local.py), independently of Redis. In a cluster the heartbeat (heartbeat.py) writes them to Redis
(registry.py), in the order of connects and disconnects, and reports the users that came online or went offline in the
cluster. Queries about other nodes' users go to Redis (presence_redis.py); while Redis is away, they are answered from
this node's connections only.
"""

import bisect
from collections.abc import Collection
from typing import Any, Protocol

from flask import Flask, current_app

from imapp.cluster.registry.presence_local import LocalPresence
from imapp.cluster.registry.presence_redis import RedisPresence
from imapp.cluster.registry.registry import ConnectionInfo, registry_of
from imapp.node import current_node, node_of


class Presence(Protocol):
    """The users and connections of the cluster; one in memory and one over Redis, with one test suite."""

    def online_among(self, user_ids: Collection[int]) -> set[int]:
        """Return the ids of the given users that are online; at most one query to Redis."""

    def all_users(self) -> list[int]:
        """Return the sorted ids of all online users; up to a second old."""

    def connections_of(self, user_id: int) -> list[tuple[str, ConnectionInfo]]:
        """Return (node id, connection) of each open connection of a user."""

    def connection(self, sid: str) -> ConnectionInfo | None:
        """Return a connection of any node; None if it does not exist."""

    def connections(self, node_id: str) -> list[ConnectionInfo]:
        """Return the connections of a node."""

    def reports(self) -> list[dict[str, Any]] | None:
        """Return the latest reports of the live nodes (`report_of`); None without Redis or while it is away."""

    def is_complete(self) -> bool:
        """Return whether the answers cover every node."""


def local() -> LocalPresence:
    """Return the connections of the current app on this node."""
    return local_of(current_app)


def local_of(app: Flask) -> LocalPresence:
    """Return the connections of an app on this node."""
    node = node_of(app)
    return node.part_or(LocalPresence, lambda: LocalPresence(node.settings.node_id))


def cluster() -> Presence:
    """Return the presence of the current app's cluster, which the settings choose at the first call."""
    return current_node().part_or(Presence, _make)


def _make() -> Presence:
    settings = current_node().settings
    if settings.redis_url is None:
        return local()
    return RedisPresence(local(), registry_of(current_app), settings.node_id)


def count() -> int:
    """Return the number of online users in the cluster."""
    return len(cluster().all_users())


def user_ids(after: int = 0, limit: int = 100) -> list[int]:
    """Return up to `limit` sorted ids of online users that are greater than `after`."""
    ordered = cluster().all_users()
    start = bisect.bisect_right(ordered, after)
    return ordered[start : start + limit]
