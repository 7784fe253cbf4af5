"""Rates and latencies, second by second and for each step; latencies count from the moment when a message was due."""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from imapp.load.histogram import Histogram

#: The client's share of a core, and its lateness in milliseconds, from which its own figures are not to be trusted.
BUSY_SHARE, BUSY_LATE_MS = 0.85, 20.0


@dataclass
class Slice:
    """What happened in some time."""

    began: float = field(default_factory=time.monotonic)
    cpu: float = field(default_factory=time.process_time)
    sent: int = 0
    acks: int = 0
    deliveries: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    ack: Histogram = field(default_factory=Histogram)
    delivery: Histogram = field(default_factory=Histogram)
    #: How late this client was to do what was due: what its own load adds to the latencies.
    late: Histogram = field(default_factory=Histogram)

    def client_cpu(self) -> float:
        """The client's share of a core since the beginning."""
        return (time.process_time() - self.cpu) / max(time.monotonic() - self.began, 1e-6)


class Meter:
    """See the module."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.connected = 0
        self.errors: Counter[str] = Counter()
        self.connect = Histogram()
        self.rows: list[dict[str, Any]] = []
        self.second = Slice()
        self.step: Slice | None = None
        self.phase, self.asked = "connect", 0.0

    # -- what happens ------------------------------------------------------------------------------------------------

    def begin(self, phase: str, asked: float, *, measured: bool) -> None:
        """Something new begins; only what is due from now on counts for it."""
        self.phase, self.asked = phase, asked
        self.step = Slice() if measured else None

    def _slices(self, due: float) -> list[Slice]:
        return [self.second, self.step] if self.step is not None and due >= self.step.began else [self.second]

    def sent(self, due: float) -> None:
        """A message left, that was due then."""
        late = time.monotonic() - due
        for part in self._slices(due):
            part.sent += 1
            part.late.record(late)

    def acked(self, due: float) -> None:
        """Its ack came."""
        took = time.monotonic() - due
        for part in self._slices(due):
            part.acks += 1
            part.ack.record(took)

    def delivered(self, due: float) -> None:
        """One of its receivers has it."""
        took = time.monotonic() - due
        for part in self._slices(due):
            part.deliveries += 1
            part.delivery.record(took)

    def failed(self, code: str) -> None:
        """Something was refused, lost or not answered."""
        self.errors[code] += 1
        self.second.errors[code] += 1
        if self.step is not None:
            self.step.errors[code] += 1

    # -- what is shown -----------------------------------------------------------------------------------------------

    def tick(self) -> dict[str, Any]:
        """A second is over; gives its row."""
        part, self.second = self.second, Slice()
        seconds = max(self.second.began - part.began, 1e-6)
        row = {
            "at": round(self.second.began - self.began, 1), "phase": self.phase, "connected": self.connected,
            "asked": round(self.asked, 1), "sent": round(part.sent / seconds, 1),
            "acks": round(part.acks / seconds, 1), "deliveries": round(part.deliveries / seconds, 1),
            "errors": sum(part.errors.values()), "client_cpu": round(part.client_cpu(), 3),
            **_latencies("ack", part.ack), **_latencies("delivery", part.delivery), **_latencies("late", part.late),
        }  # fmt: skip
        self.rows.append(row)
        return row


def _latencies(name: str, found: Histogram) -> dict[str, float | None]:
    summary = found.summary()
    return {f"{name}_{what}": summary[what] for what in ("p50", "p99", "max")}


def is_busy(part: Slice) -> bool:
    """Whether the client itself, or its starving, is in the figures."""
    late = part.late.percentile(99)
    return part.client_cpu() > BUSY_SHARE or (late is not None and late > BUSY_LATE_MS)
