"""Replay protection of the bus: a recorded frame that an attacker publishes again is refused.

The signed part of each frame has a mark: a random id of the sending process (its "life"), a number that grows within
that life, and the time by Redis' clock (imapp/clock.py). A frame is refused if its number was received before, or if
its time differs from the cluster's clock by more than WINDOW_SECONDS. When a process's frames were refused because of
their time and are accepted again, the manager tells the clients to sync.

Nodes of the previous version send no marks. So that a rolling upgrade works, unmarked frames are accepted for
OLD_SECONDS from the first frame that this node receives.
"""

from collections import deque
from collections.abc import Callable

from imapp.clock import cluster_time
from imapp.cluster.bus.envelope import Mark

#: Maximum difference in seconds between a frame's time and the cluster's clock, in either direction.
WINDOW_SECONDS = 30.0

#: Seconds after the first frame for which unmarked frames are accepted: enough for a rolling upgrade.
OLD_SECONDS = 3600.0

#: Numbers of one life that are remembered. Frames arrive in order on one connection, and nearly in order on the
#: connections to the servers of a Redis Cluster.
_NUMBERS = 8192

#: Number of lives from which on a new life makes the node forget lives that were silent for two WINDOW_SECONDS.
_LIVES = 64


class _Life:
    """The frames received from one process."""

    __slots__ = ("heard_at", "is_stale", "least", "numbers", "order")

    def __init__(self) -> None:
        self.numbers: set[int] = set()
        self.order: deque[int] = deque()
        #: Numbers up to this one are refused: they are no longer in `numbers`.
        self.least = 0
        self.heard_at = 0.0
        #: Whether the last frame was refused because of its time.
        self.is_stale = False

    def is_new(self, number: int) -> bool:
        """Remember a number; return whether it is received for the first time."""
        if number <= self.least or number in self.numbers:
            return False
        self.numbers.add(number)
        self.order.append(number)
        if len(self.order) > _NUMBERS:
            forgotten = self.order.popleft()
            self.numbers.discard(forgotten)
            self.least = max(self.least, forgotten)
        return True


class Replays:
    """See the module."""

    def __init__(self, clock: Callable[[], float] = cluster_time) -> None:
        self._clock = clock
        #: When the first frame was received, in seconds of the clock; None before that.
        self._began: float | None = None
        self._lives: dict[str, _Life] = {}
        #: Set when frames of a process are accepted again after some were refused because of their time. The manager
        #: resets it.
        self.has_recovered = False

    def fault(self, mark: Mark | None, *, may_repeat: bool) -> str:
        """Return why a frame is refused, "" if it is accepted. `may_repeat`: copies arrive on several channels."""
        moment = self._clock()
        if self._began is None:
            self._began = moment
        if mark is None:
            return "" if moment - self._began < OLD_SECONDS else "unmarked"
        name, number, sent_ms = mark
        life = self._lives.get(name) or self._add(name, moment)
        if abs(moment - sent_ms / 1000) > WINDOW_SECONDS:
            life.is_stale = True
            return "stale"
        life.heard_at = moment
        if not life.is_new(number) and not may_repeat:
            return "replayed"
        if life.is_stale:
            life.is_stale, self.has_recovered = False, True
        return ""

    def _add(self, name: str, moment: float) -> _Life:
        if len(self._lives) >= _LIVES:
            self._lives = {
                name: life for name, life in self._lives.items() if moment - life.heard_at < 2 * WINDOW_SECONDS
            }
        life = self._lives[name] = _Life()
        return life
