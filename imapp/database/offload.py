"""Blocking native work, away from the event loop."""

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def offload(fn: Callable[..., T], *args: Any) -> T:
    """Run blocking native work in a thread of gevent's pool, or in this thread if nothing is monkey-patched."""
    from gevent import get_hub, monkey  # not at import: tests and the command line run without a hub

    if not monkey.is_module_patched("threading"):
        return fn(*args)
    result: T = get_hub().threadpool.apply(fn, args)
    return result
