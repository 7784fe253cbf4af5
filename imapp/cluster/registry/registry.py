"""The cluster's register of nodes and their connections, in Redis.

Keys, all in one hash slot by the tag `{cluster}`, so that one script can use all of them on a Redis Cluster too:

    {cluster}:nodes           zset  node id -> end of its lease, in ms of Redis' clock
    {cluster}:lease:NODE      str   the process that holds the node's lease; expires with the lease
    {cluster}:node:NODE       str   the node's latest report (JSON); expires after ten leases
    {cluster}:conns:NODE      hash  sid -> "user session platform since"; expires after ten leases
    {cluster}:users:NODE      hash  user id -> number of connections; expires after ten leases

A node renews all its keys with each heartbeat. Another node removes the keys of a dead node (`reap`). Scripts use
Redis' own time: the nodes' clocks do not matter.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson
from flask import Flask

from imapp.clock import cluster_time
from imapp.cluster import lua, redis
from imapp.cluster.bus.envelope import SID_MARK
from imapp.node import node_of

# Each script uses the key of the nodes' leases and gets the prefix of all keys as its first argument.
_OPEN = lua.load("now", "online", "open_connection")
_CLOSE = lua.load("now", "online", "close_connection")
_RENEW = lua.load("now", "renew_lease")
_REWRITE = lua.load("now", "online", "rewrite_connections")
_REAP = lua.load("now", "online", "reap_node")
_USERS_OF_DEAD = lua.load("now", "users_of_dead")
_RELEASE = lua.load("release_node")
_ONLINE_AMONG = lua.load("now", "online", "online_among")
_REPORTS = lua.load("now", "online", "reports")
_ALL_USERS = lua.load("now", "online", "all_users")
_NODES_OF_USER = lua.load("now", "online", "nodes_of_user")

#: Connections that one HSCAN step examines: Redis serves no other client during a step.
_SCAN = 1000


@dataclass(frozen=True)
class ConnectionInfo:
    """One open connection and its device; `since` is Unix time in seconds."""

    sid: str
    user_id: int
    session_id: int = 0
    platform: str = ""
    device: str = ""
    since: float = 0.0


class Registry:
    """One node's access to the register. Every method raises redis.RedisError if Redis is away."""

    def __init__(self, client: Any, cluster: str, node_id: str) -> None:
        self._client = client
        self._prefix = f"{{{cluster}}}"
        self._node = node_id

    def _run(self, script: str, *arguments: object) -> Any:
        return self._client.register_script(script)([f"{self._prefix}:nodes"], [self._prefix, *arguments])

    def open(self, one: ConnectionInfo) -> bool:
        """Add a connection of this node; return whether the user came online in the cluster."""
        return bool(self._run(_OPEN, self._node, one.sid, one.user_id, _text(one)))

    def close(self, one: ConnectionInfo) -> bool:
        """Remove a connection of this node; return whether the user went offline in the cluster."""
        return bool(self._run(_CLOSE, self._node, one.sid, one.user_id))

    def renew(self, instance: str, lease_ms: int, report: dict[str, Any]) -> int:
        """Renew the lease and set the clock. Return 0 if another process holds the lease, 1 if renewed, 2 if taken."""
        state, now_ms = self._run(_RENEW, self._node, instance, lease_ms, orjson.dumps(report))
        cluster_time.set(int(now_ms) / 1000)
        return int(state)

    def rewrite(self, connections: Iterable[ConnectionInfo]) -> tuple[list[int], list[int]]:
        """Replace all connections of this node; return the users that went offline and those that came online."""
        flat = [word for one in connections for word in (one.sid, one.user_id, _text(one))]
        gone, come = self._run(_REWRITE, self._node, *flat)
        return list(map(int, gone)), list(map(int, come))

    def own_users(self) -> set[int]:
        """Return the users of this node that Redis has."""
        return set(map(int, self._client.hkeys(f"{self._prefix}:users:{self._node}")))

    def users_of_dead(self) -> set[int] | None:
        """Return the users of the dead node that `reap` removes next; None if no node is dead."""
        found = self._run(_USERS_OF_DEAD)
        return None if found is None else set(map(int, found))

    def reap(self) -> tuple[str, list[int]] | None:
        """Remove one dead node; return its name and the users that went offline, or None if no node is dead."""
        found = self._run(_REAP)
        if not found:
            return None
        node, gone = found
        return node, list(map(int, gone))

    def release(self, instance: str) -> None:
        """Remove this node from the register, unless another process holds its lease."""
        self._run(_RELEASE, self._node, instance)

    def sids(self) -> set[str]:
        """Return the sids of this node's connections that Redis has."""
        return set(self._client.hkeys(f"{self._prefix}:conns:{self._node}"))

    def connections(self, node_id: str) -> list[ConnectionInfo]:
        """Return the connections of a node that Redis has."""
        found = self._client.hgetall(f"{self._prefix}:conns:{node_id}")
        return [_presence(sid, text) for sid, text in found.items()]

    def online_among(self, user_ids: list[int]) -> set[int]:
        """Return the ids of the given users that have a connection to a live node."""
        return set(map(int, self._run(_ONLINE_AMONG, *user_ids)))

    def connections_of(self, user_id: int) -> list[tuple[str, ConnectionInfo]]:
        """Return (node id, connection) of each open connection of a user."""
        mark = f"{user_id} "
        return [
            (node, _presence(sid, text))
            for node in self._run(_NODES_OF_USER, user_id)
            for sid, text in self._client.hscan_iter(f"{self._prefix}:conns:{node}", count=_SCAN)
            if text.startswith(mark)
        ]

    def connection(self, sid: str) -> ConnectionInfo | None:
        """Return a connection, None if it does not exist. Its sid begins with its node's name."""
        text = self._client.hget(f"{self._prefix}:conns:{sid.partition(SID_MARK)[0]}", sid)
        return None if text is None else _presence(sid, text)

    def all_users(self) -> set[int]:
        """Return the ids of all users online in the cluster."""
        return {int(user) for users in self._run(_ALL_USERS) for user in users}

    def reports(self) -> list[dict[str, Any]]:
        """Return the latest reports of the live nodes, sorted by node id."""
        found = [orjson.loads(report) for report in self._run(_REPORTS) if report]
        return sorted(found, key=lambda report: str(report["id"]))


def registry_of(app: Flask) -> Registry:
    """Return the access of an app's node to the register; the node needs Redis."""
    settings = node_of(app).settings
    return Registry(redis.client_of(app), settings.cluster_name, settings.node_id)


def _text(one: ConnectionInfo) -> str:
    return f"{one.user_id} {one.session_id} {one.platform or '-'} {one.since:.0f}"


def _presence(sid: str, text: str) -> ConnectionInfo:
    user_id, session_id, rest = text.split(" ", 2)
    platform, _, since = rest.rpartition(" ")  # a platform may contain spaces
    return ConnectionInfo(sid, int(user_id), int(session_id), "" if platform == "-" else platform, since=float(since))
