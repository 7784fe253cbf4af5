"""The last steps of a message on a node, for metrics and traces: received from another node, written to sockets.

Messages that are flushed together are counted together: that halves the cost.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

from imapp.cluster.bus.envelope import Stamp
from imapp.cluster.trace_ring import GIVEN, NAMED, TraceRing
from imapp.telemetry import metrics, tracing

#: (sid, eio_sid) of each connection.
Members = list[tuple[str, str]]


class _Given(NamedTuple):
    """A message on its way to sockets."""

    stamp: Stamp
    #: Unix time in ms at which the message was received from another node, or published here.
    since_ms: float
    members: Members
    #: Whether the message came over the bus.
    is_remote: bool


class DeliveryLog:
    """See the module. `when_flushed` calls its argument once all packets sent before the call are flushed."""

    def __init__(self, ring: TraceRing, when_flushed: Callable[[Callable[[], None]], None]) -> None:
        self.ring = ring
        self._when_flushed = when_flushed
        #: Messages that are flushed before the pending call of `_flushed`, and messages sent after that was requested.
        self._marked: list[_Given] = []
        self._later: list[_Given] = []

    def heard(self, stamp: Stamp) -> float:
        """Count a message from another node; return the time of its arrival in Unix ms."""
        moment = time.time() * 1000
        metrics.HEARD.observe(max(0.0, moment - stamp.accepted_ms) / 1000)  # the other node's clock may be ahead
        return moment

    def given(self, stamp: Stamp, members: Members, heard_ms: float | None) -> None:
        """Record that a message was sent to these connections, which flush it at the end of the event loop's turn."""
        moment = time.time() * 1000 if heard_ms is None else heard_ms
        one = _Given(stamp, moment, members, heard_ms is not None)
        if not members:
            self.ring.keep([_record(one, None)])
        elif self._marked:
            self._later.append(one)
        else:
            self._marked.append(one)
            self._when_flushed(self._flushed)

    def _flushed(self) -> None:
        """Record the flushed messages, and request the next call for the messages sent since."""
        moment = time.time() * 1000
        left, self._marked, self._later = self._marked, self._later, []
        metrics.HANDED.observe_all([(moment - one.stamp.accepted_ms) / 1000 for one in left])
        if self.ring.is_on:
            self.ring.keep([_record(one, moment) for one in left])
        if tracing.is_on():
            for stamp, since, members, _ in left:
                tracing.record("deliver", stamp.traceparent, since, moment, **{"imapp.connections": len(members)})
        if self._marked:
            self._when_flushed(self._flushed)


def _record(one: _Given, flushed_ms: float | None) -> tuple[object, ...]:
    count = len(one.members)
    sids = tuple([sid for sid, _ in (one.members if count <= NAMED else one.members[:NAMED])])
    return one.since_ms, GIVEN, one.stamp.message_id, flushed_ms, count, sids, one.is_remote
