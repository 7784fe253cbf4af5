"""Limits on sessions: the total, the connecting sessions of one address, and new sessions per second.

A client beyond a limit is told after how many seconds to retry.
"""

import time
from collections import Counter


class Admission:
    """The limits and their counts. A bucket of `per_second` tokens limits the rate at which clients reconnect."""

    def __init__(self, sessions: int = 1_000_000, per_second: float = 100_000, per_address: int = 1_000_000) -> None:
        self._sessions = sessions
        self._per_address = per_address
        #: Number of sessions of each address before their CONNECT is accepted.
        self._connecting: Counter[str] = Counter()
        self._per_second = per_second
        self._tokens = per_second
        self._refilled_at = time.monotonic()

    def enter(self, address: str) -> None:
        """Count a session of this address as connecting."""
        self._connecting[address] += 1

    def leave(self, address: str) -> None:
        """Stop counting a session of this address: it has connected, or has ended before."""
        self._connecting[address] -= 1
        if self._connecting[address] <= 0:
            del self._connecting[address]

    def is_crowded(self, address: str) -> bool:
        """Return whether the address has reached its limit of connecting sessions."""
        return self._connecting[address] >= self._per_address

    def retry_after(self, sessions: int) -> int:
        """Return 0 if a new session is admitted, else the seconds after which the client may retry."""
        if sessions >= self._sessions:
            return FULL_SECONDS
        now = time.monotonic()
        self._tokens = min(self._per_second, self._tokens + (now - self._refilled_at) * self._per_second)
        self._refilled_at = now
        if self._tokens < 1:
            return _STORM_SECONDS
        self._tokens -= 1
        return 0


#: Seconds to retry after: until a session may have ended, and until the bucket is full again.
FULL_SECONDS = 5
_STORM_SECONDS = 1
