"""Frames of the bus count once: a recorded frame that somebody publishes again is refused.

Each frame is marked, within what is signed, with the life of the process that made it (random), a number that grows
within that life, and the time by Redis' clock (clock.py). A frame is refused if its number was heard before, or if it
is older or newer than WINDOW_SECONDS. When a process is heard again whose frames were refused because of their time,
the manager has the clients sync.

Nodes of the version before mark nothing. During a rolling upgrade they are heard: for OLD_SECONDS from the
first frame that this node hears.
"""

from collections import deque
from collections.abc import Callable

from imapp.cluster.clock import cluster_time
from imapp.cluster.wire import Mark

#: Seconds that a frame may take.
WINDOW_SECONDS = 30.0

#: Seconds from the first frame in which unmarked frames are taken: time enough for a rolling upgrade.
OLD_SECONDS = 3600.0

#: Numbers of one life that are remembered. Over one connection frames come in order; over those to the servers of a
#: Redis Cluster nearly so.
_NUMBERS = 8192

#: Lives that are remembered before those are forgotten whose frames are too old by now.
_LIVES = 64


class _Life:
    """What was heard of one process."""

    __slots__ = ("heard_at", "is_stale", "least", "numbers", "order")

    def __init__(self) -> None:
        self.numbers: set[int] = set()
        self.order: deque[int] = deque()
        #: Numbers up to this one are refused without a look.
        self.least = 0
        self.heard_at = 0.0
        #: Whether its last frame was refused because of its time.
        self.is_stale = False

    def is_new(self, number: int) -> bool:
        """Note a number; tell whether it is heard for the first time."""
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
        #: When the first frame was heard; None before.
        self._began: float | None = None
        self._lives: dict[str, _Life] = {}
        #: Whether a process is heard again whose frames were refused because of their time; the reader resets it.
        self.has_recovered = False

    def fault(self, mark: Mark | None, *, may_repeat: bool) -> str:
        """Return why a frame is refused, "" if it is not. `may_repeat`: copies of it come over several channels."""
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
