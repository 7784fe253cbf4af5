"""A node's heartbeat: it renews the node's lease, writes the node's connections to Redis, and removes dead nodes.

A node is dead when its lease has expired: another node removes it, and its users without a connection to another node
are offline. Only a node that has held its own lease without a gap for the length of a lease may remove others, because
after an outage of Redis every node looks dead for a moment. A node that finds its lease expired (it was frozen or
disconnected, or Redis restarted empty) takes it again and rewrites all its connections.
"""

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice

from flask import Flask

from imapp.cluster import redis
from imapp.cluster.bus import bus
from imapp.cluster.registry import presence
from imapp.cluster.registry.node_report import report_of
from imapp.cluster.registry.presence_local import Journal
from imapp.cluster.registry.registry import Registry
from imapp.logs import get_logger
from imapp.node import node_of
from imapp.telemetry import metrics

log = get_logger(__name__)

#: Heartbeats in one lease: three consecutive ones may fail.
_BEATS = 4

#: Seconds between two searches for dead nodes, and the longest time between two ticks.
_TICK_SECONDS = 0.5

#: Heartbeats between two comparisons of this node's connections with those in Redis.
_COMPARE_BEATS = 5

#: Maximum number of users in one query to Redis.
_USERS_PER_QUERY = 1000

#: Maximum number of connects and disconnects kept while Redis is away; beyond it, all connections are rewritten.
_JOURNAL_MAX = 10_000


class NodeTakenError(Exception):
    """Raised when another live process holds this node's name; its argument describes that process."""


class NodeHeartbeat:
    """See the module. `on_taken` is called when another process has taken this node's name in the meantime."""

    def __init__(self, app: Flask, registry: Registry, on_taken: Callable[[], None]) -> None:
        self._app = app
        self._registry = registry
        self._on_taken = on_taken
        self._presence = presence.local_of(app)
        self._journal: Journal = deque()
        self._settings = node_of(app).settings
        self._instance = secrets.token_hex(8)
        self._lease = float(self._settings.node_lease_seconds)
        #: Monotonic time since which the lease has been held without a gap; None while it is not held.
        self._held_since: float | None = None
        self._renewed_at = self._reaped_at = 0.0
        self._beats = 0
        self._is_stale = True
        self._is_away = False
        #: Users that a command with a lost answer may have brought online or offline; no watcher was notified.
        self._in_doubt: set[int] = set()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heart", daemon=True)

    # -- for the app -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Take the node's lease and start the heartbeat; raise NodeTakenError if another process keeps the lease.

        If a predecessor crashed, wait until its lease expires. Without Redis, the heartbeat takes the lease as soon as
        Redis answers.
        """
        self._presence.journal = self._journal
        if not self._try_renew():
            log.info("node_name_in_use", message="waiting until the lease of the other process expires")
            self._wait_for_name()
        self._thread.start()

    def stop(self) -> None:
        """Write the last changes to Redis and leave the cluster; do nothing if the heartbeat is not running."""
        if not self._thread.is_alive():
            return
        self._ending.set()
        self._presence.wake.set()
        self._thread.join(3)
        try:
            self._carry()
            self._registry.release(self._instance)
        except redis.RedisError:
            log.info("node_not_released", message="Redis does not answer; the lease expires by itself")

    def _wait_for_name(self) -> None:
        deadline = time.monotonic() + self._lease + 2
        while not self._try_renew():
            if time.monotonic() > deadline:
                raise NodeTakenError(self._holder())
            time.sleep(0.5)

    def _holder(self) -> str:
        """Describe the process that holds this node's name, by its latest report."""
        try:
            reports = self._registry.reports()
        except redis.RedisError:
            reports = []
        own = (one for one in reports if one["id"] == self._settings.node_id)
        return next((f"host {one['host']}, pid {one['pid']}, port {one['port']}" for one in own), "unknown process")

    # -- the beat ----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._ending.is_set():
            self._presence.wake.wait(_TICK_SECONDS)
            self._presence.wake.clear()
            try:
                self._tick()
            except redis.RedisError as exc:
                self._away(exc)
            except Exception:  # the heartbeat must go on
                log.exception("heartbeat_failed")

    def _tick(self) -> None:
        if time.monotonic() - self._renewed_at >= self._lease / _BEATS and not self._try_renew():
            self._held_since = None
            self._on_taken()
            return
        if self._held_since is None:
            return
        if self._is_stale:
            self._rewrite()
        self._carry()
        self._notify_in_doubt()
        now = time.monotonic()
        if now - self._held_since > self._lease and now - self._reaped_at >= _TICK_SECONDS:
            self._reaped_at = now
            self._reap()

    def _try_renew(self) -> bool:
        """Renew the lease; return False if another process holds it, True also if Redis does not answer."""
        try:
            state = self._registry.renew(self._instance, round(self._lease * 1000), report_of(self._app))
        except redis.RedisError as exc:
            self._away(exc)
            return True
        if state == 0:
            return False
        now = time.monotonic()
        if state == 2 or self._held_since is None:
            self._held_since = now
            self._is_stale = True
        if self._is_away:
            self._is_away = False
            log.info("register_back")
        self._renewed_at = now
        self._beats += 1
        self._compare()
        return True

    def _away(self, exc: Exception) -> None:
        self._held_since = None
        if len(self._journal) > _JOURNAL_MAX:
            self._journal.clear()
            self._is_stale = True
        if not self._is_away:
            self._is_away = True
            message = "presence covers this node only until Redis answers"
            log.warning("register_away", error=type(exc).__name__, message=message)

    # -- connections -------------------------------------------------------------------------------------------------

    def _carry(self) -> None:
        """Write the connects and disconnects to Redis; after a failure, have all connections rewritten."""
        while self._journal:
            is_open, one = self._journal.popleft()
            try:
                has_changed = self._registry.open(one) if is_open else self._registry.close(one)
            except redis.RedisError:
                self._is_stale = True
                self._in_doubt.add(one.user_id)
                raise
            if has_changed:
                self._presence.on_change(one.user_id, is_open)

    def _rewrite(self) -> None:
        self._journal.clear()  # the rewrite covers it: only the connections that are open now matter
        connections = list(self._presence.open.values())
        users = self._registry.own_users() | {one.user_id for one in connections}
        with self._doubting(users):
            gone, come = self._registry.rewrite(connections)
        self._is_stale = False  # the drift metric stays until the next comparison has found no difference
        for user_id in gone:
            self._presence.on_change(user_id, False)
        for user_id in come:
            self._presence.on_change(user_id, True)

    @contextmanager
    def _doubting(self, users: set[int]) -> Iterator[None]:
        """Keep these users in doubt if the block raises: Redis may have run the command without answering."""
        before = set(self._in_doubt)
        self._in_doubt |= users
        yield
        self._in_doubt = before

    def _notify_in_doubt(self) -> None:
        """Notify watchers of the present state of the users in doubt: a repeated notification does no harm."""
        while self._in_doubt:
            some = set(islice(self._in_doubt, _USERS_PER_QUERY))
            online = self._registry.online_among(sorted(some))
            self._in_doubt -= some
            for user_id in some:
                self._presence.on_change(user_id, user_id in online)

    def _compare(self) -> None:
        """Compare this node's connections with those in Redis; on a difference, have all of them rewritten."""
        if self._beats % _COMPARE_BEATS or self._journal or self._is_stale:
            return
        drift = len(self._registry.sids() ^ self._presence.open.keys())
        if self._journal:
            return  # a client connected or disconnected meanwhile: a difference is no drift
        metrics.PRESENCE_DRIFT.set(drift)
        if drift:
            log.warning("presence_drift", connections=drift)
            self._is_stale = True

    # -- dead nodes --------------------------------------------------------------------------------------------------

    def _reap(self) -> None:
        users = self._registry.users_of_dead()
        if users is None:
            return
        with self._doubting(users):
            found = self._registry.reap()
        if found is None:
            return  # another node was faster
        name, user_ids = found
        metrics.NODES_REAPED.inc()
        log.warning("node_dead", dead_node=name, users_offline=len(user_ids))
        for user_id in user_ids:
            self._presence.on_change(user_id, False)
        with self._app.app_context():
            bus.node_lost()
