"""Rate limits: how often one key (a user, an account, an address) may do one thing.

The rules are settings (`rate_login_per_account` and so on). Windows slide, so that a client cannot use twice the rate
around the start of a new window. With several nodes, the limits that protect accounts (log-in and similar) are counted
exactly, in Redis. The limits that are checked with every command are counted on the node and exchanged in the
background (shared_counts.py), so that a command never waits for Redis. Without Redis, or while it is away, each node
counts for itself.

Key: `{cluster}:limit:RULE:NAME:KEY`, a hash: window number, uses in that window and in the one before; expires after
two windows.
"""

import ipaddress
import math
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage
from limits.strategies import RateLimiter, SlidingWindowCounterRateLimiter

from imapp.cluster import lua, redis
from imapp.cluster.shared_counts import SharedCounts
from imapp.errors import RateLimitedError
from imapp.extensions import settings
from imapp.node import current_node

#: Prefix length that counts as one IPv6 address: a customer gets a /64 network at least, and can use any address in it.
_IPV6_PREFIX = 64

#: Limits that are checked often, or before authentication: they do not wait for Redis.
_HOT = frozenset({"anonymous_per_address", "commands_per_user", "messages_per_user", "sync_per_user"})

_USE = lua.load("use_limit")


def hit(name: str, *key_parts: object, uses: int = 1) -> None:
    """Count uses against the limit `rate_<name>`; raises RateLimitedError if they exceed it."""
    if not settings.rate_limits:
        return
    key = [name, *map(str, key_parts)]
    client = redis.client()
    for rule in _rules(getattr(settings, f"rate_{name}")):
        if client is None:
            _hit_here(rule, key, uses)
        elif name in _HOT:
            _hit_here(rule, key, uses)
            _count_together(client, rule, key)
        else:
            _hit_exactly(client, rule, key, uses)


def take_back(name: str, *key_parts: object) -> None:
    """Take back one use, of an attempt that counts only if it fails. Not for the limits in `_HOT`."""
    if not settings.rate_limits:
        return
    key = [name, *map(str, key_parts)]
    client = redis.client()
    for rule in _rules(getattr(settings, f"rate_{name}")):
        if client is None:
            _hit_here(rule, key, cost=-1)
        else:
            _hit_exactly(client, rule, key, cost=-1)


@dataclass(frozen=True, slots=True)
class Quota:
    """One rule of a limit for one key: `amount` uses in `window` seconds, of which `left` remain for `seconds`."""

    amount: int
    window: int
    left: int
    seconds: int


def quotas(name: str, *key_parts: object) -> list[Quota]:
    """Return the remaining uses of a key, for a limit in `_HOT`; empty if rate limits are off."""
    if not settings.rate_limits:
        return []
    key, client = [name, *map(str, key_parts)], redis.client()
    return [_quota(client, rule, key) for rule in _rules(getattr(settings, f"rate_{name}"))]


def address_key(ip: str) -> str:
    """Return the key of an address in rate limits: the IPv4 address, or the /64 network of an IPv6 address."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ip
    if address.version == 4:
        return ip
    return str(ipaddress.ip_network((address, _IPV6_PREFIX), strict=False))


@lru_cache(maxsize=64)
def _rules(text: str) -> list[RateLimitItem]:
    return parse_many(text)


def _hit_here(rule: RateLimitItem, key: list[str], cost: int = 1) -> None:
    limiter = _limiter()
    if not limiter.hit(rule, *key, cost=cost):
        reset = limiter.get_window_stats(rule, *key).reset_time
        raise RateLimitedError(retry_after=max(0.001, reset - time.time()))


def _count_together(client: Any, rule: RateLimitItem, key: list[str]) -> None:
    counts = _shared_counts(client)
    seconds = rule.get_expiry()
    if counts.add(f"{rule}:{':'.join(key)}", seconds) > rule.amount:
        raise RateLimitedError(retry_after=max(0.001, seconds - time.time() % seconds))


def _quota(client: Any, rule: RateLimitItem, key: list[str]) -> Quota:
    stats, window = _limiter().get_window_stats(rule, *key), rule.get_expiry()
    left = stats.remaining
    if client is not None:
        left = min(left, rule.amount - _shared_counts(client).used(f"{rule}:{':'.join(key)}", window))
    return Quota(rule.amount, window, max(0, left), max(0, math.ceil(stats.reset_time - time.time())))


def _hit_exactly(client: Any, rule: RateLimitItem, key: list[str], cost: int = 1) -> None:
    name = f"{{{settings.cluster_name}}}:limit:{rule}:{':'.join(key)}"
    wait_ms = redis.ask(lambda: client.register_script(_USE)([name], [rule.amount, rule.get_expiry(), cost]))
    if wait_ms is None:
        _hit_here(rule, key, cost)
    if wait_ms:
        raise RateLimitedError(retry_after=int(wait_ms) / 1000)


def _limiter() -> RateLimiter:
    """Return this node's counters of the current app."""
    return current_node().part_or(
        SlidingWindowCounterRateLimiter, lambda: SlidingWindowCounterRateLimiter(MemoryStorage())
    )


def _shared_counts(client: Any) -> SharedCounts:
    """Return the counters that the current app shares with the other nodes."""
    return current_node().part_or(SharedCounts, lambda: SharedCounts(client, settings.cluster_name))
