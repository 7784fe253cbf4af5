"""Counts of uses for rate limits: on this node, and in a cluster together with the other nodes.

With several nodes, the limits that protect accounts (log-in and similar) are counted exactly, in Redis. The limits that
are checked with every command are counted on the node and exchanged in the background (shared_counts.py), so that a
command never waits for Redis. Without Redis, or while it is away, each node counts for itself.

Key: `{cluster}:limit:RULE:NAME:KEY`, a hash: window number, uses in that window and in the one before; expires after
two windows.
"""

import math
import time
from dataclasses import dataclass, replace
from typing import Any, Protocol

from limits import RateLimitItem
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from imapp.cluster import lua, redis
from imapp.cluster.shared_counts import SharedCounts
from imapp.node import current_node

#: Limits that are checked often, or before authentication: they do not wait for Redis.
_HOT = frozenset({"anonymous_per_address", "commands_per_user", "messages_per_user", "sync_per_user"})

_USE = lua.load("use_limit")


@dataclass(frozen=True, slots=True)
class Quota:
    """One rule of a limit for one key: `amount` uses in `window` seconds, of which `left` remain for `seconds`."""

    amount: int
    window: int
    left: int
    seconds: int


class LimitCounts(Protocol):
    """The counts of an app's node; one in memory and one over Redis, with one test suite.

    A key is the name of the limit and what it counts by: ["login_per_account", "alice"].
    """

    def use(self, rule: RateLimitItem, key: list[str], uses: int) -> float:
        """Count uses (-1 takes one back); return 0 if they are allowed, else the seconds until they would be."""

    def quota(self, rule: RateLimitItem, key: list[str]) -> Quota:
        """Return the remaining uses, for a limit in _HOT."""


class MemoryCounts:
    """Counts of one node; see LimitCounts."""

    def __init__(self) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def use(self, rule: RateLimitItem, key: list[str], uses: int) -> float:
        """Count uses on this node."""
        if self._limiter.hit(rule, *key, cost=uses):
            return 0
        return max(0.001, self._limiter.get_window_stats(rule, *key).reset_time - time.time())

    def quota(self, rule: RateLimitItem, key: list[str]) -> Quota:
        """Return the remaining uses on this node."""
        stats = self._limiter.get_window_stats(rule, *key)
        left, seconds = max(0, stats.remaining), max(0, math.ceil(stats.reset_time - time.time()))
        return Quota(rule.amount, rule.get_expiry(), left, seconds)


class RedisCounts:
    """Counts of all nodes of the cluster; see LimitCounts. `client` is a redis-py client."""

    def __init__(self, client: Any, cluster: str) -> None:
        self._client = client
        self._cluster = cluster
        self._own = MemoryCounts()
        self._shared = SharedCounts(client, cluster)

    def use(self, rule: RateLimitItem, key: list[str], uses: int) -> float:
        """Count uses: in Redis, or for a limit in _HOT on this node and soon on the others."""
        if key[0] in _HOT:
            return self._own.use(rule, key, uses) or self._use_together(rule, key)
        wait_ms = redis.ask(lambda: self._use_exactly(rule, key, uses))
        return self._own.use(rule, key, uses) if wait_ms is None else wait_ms / 1000

    def _use_exactly(self, rule: RateLimitItem, key: list[str], uses: int) -> int:
        name = f"{{{self._cluster}}}:limit:{rule}:{':'.join(key)}"
        return int(self._client.register_script(_USE)([name], [rule.amount, rule.get_expiry(), uses]))

    def _use_together(self, rule: RateLimitItem, key: list[str]) -> float:
        seconds = rule.get_expiry()
        if self._shared.add(f"{rule}:{':'.join(key)}", seconds) <= rule.amount:
            return 0
        return max(0.001, seconds - time.time() % seconds)

    def quota(self, rule: RateLimitItem, key: list[str]) -> Quota:
        """Return the remaining uses: the fewer of this node's and of all nodes'."""
        own = self._own.quota(rule, key)
        used = self._shared.used(f"{rule}:{':'.join(key)}", own.window)
        return replace(own, left=max(0, min(own.left, rule.amount - used)))


def counts() -> LimitCounts:
    """Return the counts of the current app's node, which the settings choose at the first call."""
    return current_node().part_or(LimitCounts, _make)


def _make() -> LimitCounts:
    settings = current_node().settings
    return MemoryCounts() if settings.redis_url is None else RedisCounts(redis.client(), settings.cluster_name)
