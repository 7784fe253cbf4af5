"""A message's last steps on a node: heard from another one, handed to sockets. For the metrics and for its trace.

What is flushed together is counted together: that halves the cost.
"""

import time
from collections.abc import Callable

from imapp import metrics, tracing
from imapp.cluster.traces import GIVEN, NAMED, Ring
from imapp.cluster.wire import Stamp

#: (sid, eio_sid) of each connection.
Members = list[tuple[str, str]]

#: A message on its way to sockets: its stamp, when it was heard or published, to whom, whether it came by the bus.
_Given = tuple[Stamp, float, Members, bool]


class Following:
    """See the module. `when_flushed` calls back once what was sent up to then has left."""

    def __init__(self, ring: Ring, when_flushed: Callable[[Callable[[], None]], None]) -> None:
        self.ring = ring
        self._when_flushed = when_flushed
        #: What leaves before the next mark in the flusher's queue, and what was given to sockets after it.
        self._marked: list[_Given] = []
        self._later: list[_Given] = []

    def heard(self, stamp: Stamp) -> float:
        """It came from another node; gives when."""
        moment = time.time() * 1000
        metrics.HEARD.observe(max(0.0, moment - stamp[0]) / 1000)  # the other node's clock may be ahead
        return moment

    def given(self, stamp: Stamp, members: Members, heard_ms: float | None) -> None:
        """It was given to these connections, which flush it at the end of the turn."""
        moment = time.time() * 1000 if heard_ms is None else heard_ms
        one = (stamp, moment, members, heard_ms is not None)
        if not members:
            self.ring.keep([_record(one, None)])
        elif self._marked:
            self._later.append(one)
        else:
            self._marked.append(one)
            self._when_flushed(self._flushed)

    def _flushed(self) -> None:
        """What was marked has left; what came later is marked now, behind its own connections."""
        moment = time.time() * 1000
        left, self._marked, self._later = self._marked, self._later, []
        metrics.HANDED.observe_all([(moment - stamp[0]) / 1000 for stamp, _, _, _ in left])
        if self.ring.is_on:
            self.ring.keep([_record(one, moment) for one in left])
        if tracing.is_on():
            for (_, _, traceparent), since, members, _ in left:
                tracing.record("deliver", traceparent, since, moment, **{"imapp.connections": len(members)})
        if self._marked:
            self._when_flushed(self._flushed)


def _record(one: _Given, flushed_ms: float | None) -> tuple[object, ...]:
    (_, message_id, _), moment, members, is_remote = one
    count = len(members)
    sids = tuple([sid for sid, _ in (members if count <= NAMED else members[:NAMED])])
    return moment, GIVEN, message_id, flushed_ms, count, sids, is_remote
