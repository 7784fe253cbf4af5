"""The cluster's clock: Redis' clock, read with each connection and heartbeat. Wrong clocks of machines do no harm."""

import time


class Clock:
    """Unix time in seconds, as Redis tells it; this machine's until Redis has been heard."""

    def __init__(self) -> None:
        #: Redis' Unix time less this machine's monotonic time, in seconds; None while Redis has not been heard.
        self._offset: float | None = None

    def __call__(self) -> float:
        """Give the time."""
        return time.time() if self._offset is None else time.monotonic() + self._offset

    def set(self, now: float) -> None:
        """Take Redis' time, which has just been read."""
        self._offset = now - time.monotonic()


#: The clock of this process.
cluster_time = Clock()
