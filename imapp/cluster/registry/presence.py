"""Presence: the online users, on this node and in the whole cluster.

A user is online while at least one connection is open on any node. This node's connections are kept in memory here,
independently of Redis. In a cluster the heartbeat (heartbeat.py) writes them to Redis (registry.py), in the order of
connects and disconnects, and reports the users that came online or went offline in the cluster. Queries about other
users go to Redis; while Redis is away, they are answered from this node's connections only.
"""

import bisect
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection
from typing import Any

from flask import Flask, current_app

from imapp.cluster import redis
from imapp.cluster.registry.registry import ConnectionInfo, Registry
from imapp.node import current_node, node_of
from imapp.telemetry import metrics

#: Seconds for which the list of all online users is cached.
_LIST_SECONDS = 1.0

#: Called with a user id when the user came online (True) or went offline (False) in the cluster; must not block.
OnChange = Callable[[int, bool], None]


class LocalPresence:
    """The connections of this node."""

    def __init__(self) -> None:
        self.open: dict[str, ConnectionInfo] = {}
        self._sids: dict[int, set[str]] = {}
        #: Connects (True) and disconnects (False) to write to Redis, in order; None without Redis.
        self.journal: deque[tuple[bool, ConnectionInfo]] | None = None
        #: Set when the journal has a new entry.
        self.wake = threading.Event()
        self.on_change: OnChange = lambda _user_id, _is_online: None
        self._listed: tuple[float, list[int]] = (0.0, [])

    def connect(self, presence: ConnectionInfo) -> None:
        """Add a connection."""
        self.open[presence.sid] = presence
        sids = self._sids.setdefault(presence.user_id, set())
        sids.add(presence.sid)
        self._changed(presence, True, len(sids) == 1)

    def disconnect(self, sid: str) -> None:
        """Remove a connection."""
        presence = self.open.pop(sid, None)
        if presence is None:
            return
        sids = self._sids[presence.user_id]
        sids.discard(sid)
        if not sids:
            del self._sids[presence.user_id]
        self._changed(presence, False, not sids)

    def _changed(self, presence: ConnectionInfo, is_open: bool, is_change: bool) -> None:
        metrics.CONNECTIONS.set(len(self.open))
        metrics.ONLINE_USERS.set(len(self._sids))
        if self.journal is not None:
            self.journal.append((is_open, presence))
            self.wake.set()
        elif is_change:
            self.on_change(presence.user_id, is_open)

    def of_users(self, user_ids: Collection[int]) -> list[ConnectionInfo]:
        """Return the connections of these users on this node."""
        return [self.open[sid] for user_id in user_ids for sid in self._sids.get(user_id, ())]

    def users(self) -> Collection[int]:
        """Return the ids of the users with a connection on this node."""
        return self._sids.keys()

    def of(self, user_id: int) -> list[ConnectionInfo]:
        """Return the connections of a user on this node."""
        return [self.open[sid] for sid in list(self._sids.get(user_id, ())) if sid in self.open]

    def platforms(self) -> dict[str, int]:
        """Return the number of connections by platform."""
        return dict(Counter(one.platform or "unknown" for one in self.open.values()))

    def listed(self, register: Registry | None) -> list[int]:
        """Return the sorted ids of all online users of the cluster; up to _LIST_SECONDS old."""
        moment, ids = self._listed
        if register is None:
            return sorted(self._sids)
        if time.monotonic() - moment > _LIST_SECONDS:
            found = redis.ask(register.all_users)
            # If Redis refuses writes, this node's lease expires there, but this node's users are still online.
            ids = sorted({*(found or ()), *self._sids})
            self._listed = (time.monotonic(), ids)
        return ids


def local() -> LocalPresence:
    """Return the connections of the current app on this node."""
    return local_of(current_app)


def local_of(app: Flask) -> LocalPresence:
    """Return the connections of an app on this node."""
    return node_of(app).part_or(LocalPresence, LocalPresence)


def register_of(app: Flask) -> Registry | None:
    """Return the access to the cluster's presence in Redis; None for a node without Redis."""
    client = redis.client_of(app)
    settings = node_of(app).settings
    return None if client is None else Registry(client, settings.cluster_name, settings.node_id)


def is_online(user_id: int) -> bool:
    """Return whether the user has a connection to any node."""
    return user_id in online_among([user_id])


def online_among(user_ids: list[int]) -> set[int]:
    """Return the ids of the given users that are online; at most one query to Redis."""
    here = {user_id for user_id in user_ids if user_id in local().users()}
    others = [user_id for user_id in user_ids if user_id not in here]
    register = register_of(current_app) if others else None
    if register is None:
        return here
    return here | (redis.ask(lambda: register.online_among(others)) or set())


def count() -> int:
    """Return the number of online users in the cluster."""
    return len(local().listed(register_of(current_app)))


def is_complete() -> bool:
    """Return whether the cluster's counts include every node: not while Redis is away or refuses this node's lease."""
    if register_of(current_app) is None:
        return True
    here = current_node().settings.node_id
    return any(report["id"] == here for report in reports() or ())


def user_ids(after: int = 0, limit: int = 100) -> list[int]:
    """Return up to `limit` sorted ids of online users that are greater than `after`."""
    ordered = local().listed(register_of(current_app))
    start = bisect.bisect_right(ordered, after)
    return ordered[start : start + limit]


def connections_of(user_id: int) -> list[tuple[str, ConnectionInfo]]:
    """Return (node id, connection) pairs of a user; while Redis is away, only those of this node."""
    here = current_node().settings.node_id
    own = [(here, one) for one in local().of(user_id)]
    register = register_of(current_app)
    found = None if register is None else redis.ask(lambda: register.connections_of(user_id))
    return own + [(node, one) for node, one in found or [] if node != here]


def connection(sid: str) -> ConnectionInfo | None:
    """Return a connection of any node; None if it does not exist, or is not this node's and Redis is away."""
    register = register_of(current_app)
    own = local().open.get(sid)
    return own if own is not None or register is None else redis.ask(lambda: register.connection(sid))


def reports() -> list[dict[str, Any]] | None:
    """Return the latest reports of the live nodes (`report_of`); None without Redis or while it is away."""
    register = register_of(current_app)
    return None if register is None else redis.ask(register.reports)
