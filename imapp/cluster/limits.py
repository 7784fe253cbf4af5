"""Rate limits: how often one key (a user, an account, an address) may do one thing.

The rules are settings (`rate_login_per_account` and so on). Windows slide, so that a client cannot use twice the rate
around the start of a new window. limit_counts.py counts the uses.
"""

import ipaddress
from functools import lru_cache

from limits import RateLimitItem, parse_many

from imapp.cluster.limit_counts import Quota, counts
from imapp.errors import RateLimitedError
from imapp.extensions import settings

#: Prefix length that counts as one IPv6 address: a customer gets a /64 network at least, and can use any address in it.
_IPV6_PREFIX = 64


def hit(name: str, *key_parts: object, uses: int = 1) -> None:
    """Count uses against the limit `rate_<name>`; raises RateLimitedError if they exceed it."""
    key = [name, *map(str, key_parts)]
    for rule in _rules(name):
        wait = counts().use(rule, key, uses)
        if wait:
            raise RateLimitedError(retry_after=wait)


def take_back(name: str, *key_parts: object) -> None:
    """Take back one use, of an attempt that counts only if it fails. Not for limits that are checked often."""
    key = [name, *map(str, key_parts)]
    for rule in _rules(name):
        counts().use(rule, key, -1)


def quotas(name: str, *key_parts: object) -> list[Quota]:
    """Return the remaining uses of a key, for a limit that is checked often; empty if rate limits are off."""
    key = [name, *map(str, key_parts)]
    return [counts().quota(rule, key) for rule in _rules(name)]


def address_key(ip: str) -> str:
    """Return the key of an address in rate limits: the IPv4 address, or the /64 network of an IPv6 address."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ip
    if address.version == 4:
        return ip
    return str(ipaddress.ip_network((address, _IPV6_PREFIX), strict=False))


def _rules(name: str) -> list[RateLimitItem]:
    """Return the rules of a limit; none if rate limits are off."""
    return _parse(getattr(settings, f"rate_{name}")) if settings.rate_limits else []


@lru_cache(maxsize=64)
def _parse(text: str) -> list[RateLimitItem]:
    return parse_many(text)
