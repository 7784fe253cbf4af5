"""How many sessions there may be, in all and connecting from one address, and how many new ones in a second.

The others are told when to try again.
"""

import time
from collections import Counter


class Admission:
    """A bucket of `per_second` tokens: a storm of returning clients is let in at that pace."""

    def __init__(self, sessions: int = 1_000_000, per_second: float = 100_000, per_address: int = 1_000_000) -> None:
        self._sessions = sessions
        self._per_address = per_address
        #: Sessions of each address that have not been let in yet.
        self._connecting: Counter[str] = Counter()
        self._per_second = per_second
        self._tokens = per_second
        self._at = time.monotonic()

    def enter(self, address: str) -> None:
        """A session of this address begins to connect."""
        self._connecting[address] += 1

    def leave(self, address: str) -> None:
        """A session of this address has been let in, or has ended before."""
        self._connecting[address] -= 1
        if self._connecting[address] <= 0:
            del self._connecting[address]

    def is_crowded(self, address: str) -> bool:
        """Tell whether as many sessions of this address are connecting as may."""
        return self._connecting[address] >= self._per_address

    def refusal(self, sessions: int) -> int:
        """0 for one that may come in, else after how many seconds it may try again."""
        if sessions >= self._sessions:
            return FULL_SECONDS
        now = time.monotonic()
        self._tokens = min(self._per_second, self._tokens + (now - self._at) * self._per_second)
        self._at = now
        if self._tokens < 1:
            return _STORM_SECONDS
        self._tokens -= 1
        return 0


#: Seconds until somebody may have left, and until the bucket is full again.
FULL_SECONDS = 5
_STORM_SECONDS = 1
