"""The two clocks: this machine's, and the cluster's, which is Redis' clock.

Redis' time is read with each connection to Redis and with each heartbeat, so machines' clocks may be wrong.
"""

import time
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now() -> datetime:
    """Return the current time in UTC, cut to milliseconds, the precision with which it is stored."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def unix_ms(moment: datetime) -> int:
    """Return a time as milliseconds of Unix time."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def from_unix_ms(milliseconds: int) -> datetime:
    """Return the time of milliseconds of Unix time."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


class ClusterClock:
    """Unix time in seconds by Redis' clock, or by this machine's until Redis' time has been read."""

    def __init__(self) -> None:
        #: Redis' Unix time minus this machine's monotonic time, in seconds; None until Redis' time has been read.
        self._offset: float | None = None

    def __call__(self) -> float:
        """Return the time."""
        return time.time() if self._offset is None else time.monotonic() + self._offset

    def set(self, unix_time: float) -> None:
        """Set the clock to Redis' time, which has just been read."""
        self._offset = unix_time - time.monotonic()


#: The cluster's clock in this process.
cluster_time = ClusterClock()
