"""A circuit breaker for the Redis queries that a request or command waits for.

A hanging Redis costs each caller a second. So after a failure there is a pause without queries, and then one caller
tries on behalf of all. The number of concurrent queries is limited. A caller that gets None goes on without Redis.
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

#: The errors to catch: Redis is unreachable or refuses. (Some cluster errors of redis-py are not its RedisErrors.)
RedisError = (redis.RedisError, RedisClusterException)

#: Maximum number of concurrent queries of one process; each has a connection.
AT_ONCE = 24

#: Seconds that a caller waits for one of the AT_ONCE places; after that it gets None.
_TURN_SECONDS = 1.0

#: Seconds without queries after a failure.
_PAUSE_SECONDS = 1.0


class CircuitBreaker:
    """See the module."""

    def __init__(self) -> None:
        self._turns = threading.BoundedSemaphore(AT_ONCE)
        self._is_away = False
        self._next_at = 0.0

    def ask(self, question: Callable[[], T]) -> T | None:
        """Run the query and return its answer; None if Redis does not answer or is not asked."""
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
        """Return whether this caller is the one that tries Redis again after the pause."""
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
                message = "presence and rate limits cover this node only until Redis answers"
                log.warning("redis_away", error=type(exc).__name__, message=message)
            return None
        if self._is_away:
            self._is_away = False
            log.info("redis_back", message="presence and rate limits cover the whole cluster again")
        return answer
