"""The cluster's clock: Redis' time, read with each connection and heartbeat, so that machines' clocks may be wrong."""

import time


class Clock:
    """Unix time in seconds by Redis' clock, or by this machine's until Redis' time has been read."""

    def __init__(self) -> None:
        #: Redis' Unix time minus this machine's monotonic time, in seconds; None until Redis' time has been read.
        self._offset: float | None = None

    def __call__(self) -> float:
        """Return the time."""
        return time.time() if self._offset is None else time.monotonic() + self._offset

    def set(self, now: float) -> None:
        """Set the clock to Redis' time, which has just been read."""
        self._offset = now - time.monotonic()


#: The clock of this process.
cluster_time = Clock()
