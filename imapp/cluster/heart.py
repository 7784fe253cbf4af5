"""A node's heartbeat: it holds the node's lease, carries its connections to Redis, and buries the dead.

A node that is silent for a lease is dead: one of the others removes it, and its users who are nowhere else are
offline. Only a node whose own lease never lapsed during the last lease may do that: after a pause of Redis everybody
looks dead for a moment. A node that finds its lease gone (it was frozen, cut off, or Redis came back empty) takes
it anew and writes all its connections again.
"""

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice

from flask import Flask

from imapp import metrics
from imapp.cluster import bus, presence, redis
from imapp.cluster.register import Register
from imapp.cluster.report import report_of
from imapp.logs import get_logger

log = get_logger(__name__)

#: Heartbeats in one lease: three may be lost.
_BEATS = 4

#: Seconds between two looks for dead nodes.
_TICK_SECONDS = 0.5

#: Beats between two comparisons of every connection with what Redis knows.
_COMPARE_BEATS = 5

#: Users asked about in one command.
_SOME = 1000

#: Who came and went is kept while Redis is away, up to so many entries; beyond, all connections are written anew.
_JOURNAL_MAX = 10_000


class NodeTakenError(Exception):
    """Another process is this node, and alive; says which."""


class Heart:
    """See the module. `on_taken` is called when another process has become this node meanwhile."""

    def __init__(self, app: Flask, register: Register, on_taken: Callable[[], None]) -> None:
        self._app = app
        self._register = register
        self._on_taken = on_taken
        self._presence = presence.local_of(app)
        self._settings = app.config["IMAPP"]
        self._instance = secrets.token_hex(8)
        self._lease = float(self._settings.node_lease_seconds)
        #: Since when the lease has been held without a gap (monotonic); None while it is not held.
        self._held_since: float | None = None
        self._renewed_at = self._reaped_at = 0.0
        self._beats = 0
        self._is_stale = True
        self._is_away = False
        #: Users who may have come online or gone offline by a command whose answer was lost: nobody was told.
        self._in_doubt: set[int] = set()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._beat_for_ever, name="heart", daemon=True)

    # -- for the app -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Become this node and begin to beat; raises NodeTakenError when another process is, and stays so.

        A predecessor that died without a word is waited for: its lease ends by itself. Without Redis the lease is
        taken when Redis comes.
        """
        self._presence.journal = deque()
        if not self._try_renew():
            log.info("node_name_in_use", message="waiting for its lease to end")
            self._wait_for_the_name()
        self._thread.start()

    def stop(self) -> None:
        """Carry the last changes to Redis and leave the cluster; nothing for a node that never came to be."""
        if not self._thread.is_alive():
            return
        self._ending.set()
        self._presence.wake.set()
        self._thread.join(3)
        try:
            self._carry()
            self._register.release(self._instance)
        except redis.RedisError:
            log.info("node_not_released", message="its lease ends by itself")

    def _wait_for_the_name(self) -> None:
        deadline = time.monotonic() + self._lease + 2
        while not self._try_renew():
            if time.monotonic() > deadline:
                raise NodeTakenError(self._holder())
            time.sleep(0.5)

    def _holder(self) -> str:
        """Which process is this node, as far as it told."""
        try:
            reports = self._register.reports()
        except redis.RedisError:
            reports = []
        own = (one for one in reports if one["id"] == self._settings.node_id)
        return next((f"host {one['host']}, pid {one['pid']}, port {one['port']}" for one in own), "unknown process")

    # -- the beat ----------------------------------------------------------------------------------------------------

    def _beat_for_ever(self) -> None:
        while not self._ending.is_set():
            self._presence.wake.wait(_TICK_SECONDS)
            self._presence.wake.clear()
            try:
                self._tick()
            except redis.RedisError as exc:
                self._away(exc)
            except Exception:  # the next beat must come
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
        self._tell_in_doubt()
        now = time.monotonic()
        if now - self._held_since > self._lease and now - self._reaped_at >= _TICK_SECONDS:
            self._reaped_at = now
            self._reap()

    def _try_renew(self) -> bool:
        """Renew the lease; False when another process has it. What is not known counts as held by nobody else."""
        try:
            state = self._register.renew(self._instance, round(self._lease * 1000), report_of(self._app))
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
        journal = self._presence.journal
        if journal is not None and len(journal) > _JOURNAL_MAX:
            journal.clear()
            self._is_stale = True
        if not self._is_away:
            self._is_away = True
            message = "presence is this node's own until Redis is back"
            log.warning("register_away", error=type(exc).__name__, message=message)

    # -- connections -------------------------------------------------------------------------------------------------

    def _carry(self) -> None:
        """Tell Redis who came and went; what fails is made good by a rewrite."""
        journal = self._presence.journal
        while journal:
            is_open, one = journal.popleft()
            try:
                has_changed = self._register.open(one) if is_open else self._register.close(one)
            except redis.RedisError:
                self._is_stale = True
                self._in_doubt.add(one.user_id)
                raise
            if has_changed:
                self._presence.on_change(one.user_id, is_open)

    def _rewrite(self) -> None:
        journal = self._presence.journal
        if journal is not None:
            journal.clear()  # what is open now is all that counts
        connections = list(self._presence.open.values())
        users = self._register.own_users() | {one.user_id for one in connections}
        with self._doubting(users):
            gone, come = self._register.rewrite(connections)
        self._is_stale = False  # whether that mended it, the next comparison tells: until then the drift is shown
        for user_id in gone:
            self._presence.on_change(user_id, False)
        for user_id in come:
            self._presence.on_change(user_id, True)

    @contextmanager
    def _doubting(self, users: set[int]) -> Iterator[None]:
        """What is told of these users is in doubt unless the answer comes."""
        before = set(self._in_doubt)
        self._in_doubt |= users
        yield
        self._in_doubt = before

    def _tell_in_doubt(self) -> None:
        """Tell of those in doubt how it is now: once too often does no harm."""
        while self._in_doubt:
            some = set(islice(self._in_doubt, _SOME))
            online = self._register.online_among(sorted(some))
            self._in_doubt -= some
            for user_id in some:
                self._presence.on_change(user_id, user_id in online)

    def _compare(self) -> None:
        """Find connections that Redis does not know, or that are no more."""
        if self._beats % _COMPARE_BEATS or self._presence.journal or self._is_stale:
            return
        drift = len(self._register.sids() ^ self._presence.open.keys())
        if self._presence.journal:
            return  # somebody came or went meanwhile: not a drift
        metrics.PRESENCE_DRIFT.set(drift)
        if drift:
            log.warning("presence_drift", connections=drift)
            self._is_stale = True

    # -- others ------------------------------------------------------------------------------------------------------

    def _reap(self) -> None:
        users = self._register.users_of_dead()
        if users is None:
            return
        with self._doubting(users):
            found = self._register.reap()
        if found is None:
            return  # another node was faster
        name, user_ids = found
        metrics.NODES_REAPED.inc()
        log.warning("node_dead", dead_node=name, users_offline=len(user_ids))
        for user_id in user_ids:
            self._presence.on_change(user_id, False)
        bus.node_lost()
