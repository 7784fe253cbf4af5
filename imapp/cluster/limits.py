"""Rate limits: how often one key (a user, an account, an address) may do one thing.

The rules are settings (`rate_login_per_account` and so on). This one counts in memory: single node only. A
window slides, so that nobody gets twice the rate around a full minute.
"""

import ipaddress
import time
from functools import lru_cache

from flask import current_app
from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage
from limits.strategies import RateLimiter, SlidingWindowCounterRateLimiter

from imapp.errors import RateLimitedError
from imapp.extensions import settings

#: Bits of an IPv6 address that one customer is given at least: all beyond are the customer's to choose.
_IPV6_PREFIX = 64


def hit(name: str, *key_parts: object) -> None:
    """Count one use of what `rate_<name>` limits; raises RateLimitedError when it is one too many."""
    if not settings.rate_limits:
        return
    limiter = _limiter()
    key = [name, *map(str, key_parts)]
    for rule in _rules(getattr(settings, f"rate_{name}")):
        if not limiter.hit(rule, *key):
            reset = limiter.get_window_stats(rule, *key).reset_time
            raise RateLimitedError(retry_after=max(0.001, reset - time.time()))


def address_key(ip: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 network of an IPv6 address."""
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


def _limiter() -> RateLimiter:
    """The counters of the app at hand."""
    extensions = current_app.extensions
    if "imapp.limits" not in extensions:
        extensions["imapp.limits"] = SlidingWindowCounterRateLimiter(MemoryStorage())
    limiter: RateLimiter = extensions["imapp.limits"]
    return limiter
