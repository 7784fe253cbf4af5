"""A message's last steps on a node: heard from another one, handed to sockets. For the metrics and for its trace."""

import time
from collections.abc import Callable
from functools import partial

from imapp import metrics
from imapp.cluster.traces import GIVEN, NAMED, Ring
from imapp.cluster.wire import Stamp

#: (sid, eio_sid) of each connection.
Members = list[tuple[str, str]]


class Following:
    """See the module. `when_flushed` calls back once what was sent up to then has left."""

    def __init__(self, ring: Ring, when_flushed: Callable[[Callable[[], None]], None]) -> None:
        self.ring = ring
        self._when_flushed = when_flushed

    def heard(self, stamp: Stamp) -> float:
        """It came from another node; gives when."""
        moment = _now_ms()
        metrics.HEARD.observe(_since(stamp, moment))
        return moment

    def given(self, stamp: Stamp, members: Members, heard_ms: float | None) -> None:
        """It was given to these connections, which flush it at the end of the turn."""
        moment = _now_ms() if heard_ms is None else heard_ms
        sids = tuple([sid for sid, _ in members[:NAMED]]) if self.ring.is_on else ()
        begun = (moment, GIVEN, stamp.message_id), (len(members), sids, heard_ms is not None)
        if members:
            self._when_flushed(partial(self._flushed, stamp, *begun))
        else:
            self.ring.note(*begun[0], None, *begun[1])

    def _flushed(self, stamp: Stamp, head: tuple[float, int, str], tail: tuple[int, tuple[str, ...], bool]) -> None:
        moment = _now_ms()
        metrics.HANDED.observe(_since(stamp, moment))
        self.ring.note(*head, moment, *tail)


def _now_ms() -> float:
    return time.time() * 1000


def _since(stamp: Stamp, moment: float) -> float:
    """Seconds since the acceptance; the clock of the node that accepted may be ahead."""
    return max(0.0, moment - stamp.accepted_ms) / 1000
