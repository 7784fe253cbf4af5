"""How many sessions there may be, and how many new ones in a second; the others are told when to try again."""

import time


class Admission:
    """A bucket of `per_second` tokens: a storm of returning clients is let in at that pace."""

    def __init__(self, sessions: int = 1_000_000, per_second: float = 100_000) -> None:
        self._sessions = sessions
        self._per_second = per_second
        self._tokens = per_second
        self._at = time.monotonic()

    def refusal(self, sessions: int) -> int:
        """0 for one that may come in, else after how many seconds it may try again."""
        if sessions >= self._sessions:
            return _FULL_SECONDS
        now = time.monotonic()
        self._tokens = min(self._per_second, self._tokens + (now - self._at) * self._per_second)
        self._at = now
        if self._tokens < 1:
            return _STORM_SECONDS
        self._tokens -= 1
        return 0


#: Seconds until somebody may have left, and until the bucket is full again.
_FULL_SECONDS = 5
_STORM_SECONDS = 1
