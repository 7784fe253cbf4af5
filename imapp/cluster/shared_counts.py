"""Counters of uses on all nodes together, slightly out of date, for rate limits on the hot path.

Each use is counted in memory at once, without waiting. A few times a second the new counts go to Redis in one pipeline;
the replies are the totals of the cluster. Windows are fixed, by this node's clock.

Key: `{cluster}:count:NAME:WINDOW`, a number; expires after two windows.
"""

import threading
import time
from typing import Any

from imapp.cluster import redis
from imapp.logs import get_logger

log = get_logger(__name__)

#: Seconds between two exchanges.
_EXCHANGE_SECONDS = 0.2

#: Number of keys in memory above which the keys of past windows are dropped.
_MAX_KEYS = 50_000


class _Count:
    """The uses of one key in the current window of `seconds`."""

    __slots__ = ("others", "own", "seconds", "unsent", "window")

    def __init__(self, window: int, seconds: int) -> None:
        self.window = window
        self.seconds = seconds
        self.own = self.unsent = self.others = 0


class SharedCounts:
    """See the module. `client` is a redis-py client."""

    def __init__(self, client: Any, cluster: str) -> None:
        self._client = client
        self._prefix = f"{{{cluster}}}:count:"
        self._counts: dict[str, _Count] = {}
        self._unsent: set[str] = set()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._turn = threading.Lock()

    def add(self, name: str, seconds: int) -> int:
        """Count one use of a key in the current window of `seconds`; return the known uses of all nodes in it."""
        window = int(time.time() // seconds)
        with self._turn:
            count = self._counts.get(name)
            if count is None or count.window != window:
                count = self._counts[name] = _Count(window, seconds)
            count.own += 1
            count.unsent += 1
            self._unsent.add(name)
        self._wake.set()
        if self._thread is None:
            self._launch()
        return count.own + count.others

    def used(self, name: str, seconds: int) -> int:
        """Return the known uses of a key by all nodes in the current window of `seconds`."""
        count = self._counts.get(name)
        return 0 if count is None or count.window != int(time.time() // seconds) else count.own + count.others

    def _launch(self) -> None:
        with self._turn:
            if self._thread is None:
                self._thread = threading.Thread(target=self._exchange_loop, name="shared-counts", daemon=True)
                self._thread.start()

    def _exchange_loop(self) -> None:
        while True:
            self._wake.wait()
            time.sleep(_EXCHANGE_SECONDS)
            self._wake.clear()
            try:
                self._exchange()
            except redis.RedisError as exc:
                log.debug("counts_not_exchanged", error=type(exc).__name__)
            except Exception:  # the exchanges must go on
                log.exception("counts_not_exchanged")
            if len(self._counts) > _MAX_KEYS:
                self._drop_past_windows()

    def _exchange(self) -> None:
        with self._turn:
            names, self._unsent = self._unsent, set()
            counts = [(name, self._counts[name]) for name in names if name in self._counts]
        pipe = self._client.pipeline(transaction=False)
        for name, count in counts:
            key = f"{self._prefix}{name}:{count.window}"
            unsent, count.unsent = count.unsent, 0
            pipe.incrby(key, unsent)
            pipe.expire(key, 2 * count.seconds)
        totals = pipe.execute()[::2]
        for (_, count), total in zip(counts, totals, strict=True):
            count.others = max(0, total - (count.own - count.unsent))

    def _drop_past_windows(self) -> None:
        now = time.time()
        with self._turn:
            counts = self._counts.items()
            self._counts = {name: count for name, count in counts if count.window == int(now // count.seconds)}
