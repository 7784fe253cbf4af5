"""Questions to Redis that somebody waits for: few at once, and none while Redis is away.

A Redis that hangs costs each asker a second. So after one failure nobody asks for a moment, and then one asker only,
for all. Whoever gets no answer has one without Redis.
"""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import redis
from redis.exceptions import RedisClusterException

from imapp.logs import get_logger

log = get_logger(__name__)

T = TypeVar("T")

#: What callers catch: Redis is away, or refuses. (redis-py gives a part of the Cluster's errors a root of their own.)
RedisError = (redis.RedisError, RedisClusterException)

#: Questions on their way at once; each has a connection.
AT_ONCE = 24

#: Seconds that an asker waits for its turn.
_TURN_SECONDS = 1.0

#: Seconds without questions after a failure.
_PAUSE_SECONDS = 1.0


class Gate:
    """See the module."""

    def __init__(self) -> None:
        self._turns = threading.BoundedSemaphore(AT_ONCE)
        self._is_away = False
        self._next_at = 0.0

    def ask(self, question: Callable[[], T]) -> T | None:
        """Give the answer; None without one."""
        was_away = self._is_away
        if was_away and not self._is_first():
            return None
        if not self._turns.acquire(timeout=_TURN_SECONDS):
            return None
        try:
            went_away = self._is_away and not was_away
            return None if went_away else self._put(question)
        finally:
            self._turns.release()

    def _is_first(self) -> bool:
        """Tell whether this asker is the one that asks for all."""
        now = time.monotonic()
        if now < self._next_at:
            return False
        self._next_at = now + _PAUSE_SECONDS
        return True

    def _put(self, question: Callable[[], T]) -> T | None:
        try:
            answer = question()
        except RedisError as exc:
            self._next_at = time.monotonic() + _PAUSE_SECONDS
            if not self._is_away:
                self._is_away = True
                message = "answers and limits are this node's own meanwhile"
                log.warning("redis_away", error=type(exc).__name__, message=message)
            return None
        if self._is_away:
            self._is_away = False
            log.info("redis_back", message="answers and limits are the cluster's again")
        return answer
