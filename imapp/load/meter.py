"""Rates and latencies of each second and each step. Latencies count from the scheduled time of a message."""

import time
from collections import Counter
from dataclasses import dataclass, field

from imapp.load.histogram import Histogram
from imapp.load.json import JsonObject

#: Share of a core, and p99 delay in milliseconds, above which the load client itself distorts the results.
BUSY_SHARE, BUSY_LATE_MS = 0.85, 20.0


@dataclass
class Period:
    """The counts and latencies of a period."""

    began: float = field(default_factory=time.monotonic)
    cpu: float = field(default_factory=time.process_time)
    sent: int = 0
    acks: int = 0
    deliveries: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    ack: Histogram = field(default_factory=Histogram)
    delivery: Histogram = field(default_factory=Histogram)
    #: How late this client sent its messages: the part of the latencies that the client itself causes.
    late: Histogram = field(default_factory=Histogram)

    def client_cpu(self) -> float:
        """Return the client's share of a core since the beginning of the period."""
        return (time.process_time() - self.cpu) / max(time.monotonic() - self.began, 1e-6)


class Meter:
    """The measurements of a run."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.connected = 0
        self.errors: Counter[str] = Counter()
        self.connect = Histogram()
        self.rows: list[JsonObject] = []
        self.second = Period()
        self.step: Period | None = None
        self.phase, self.asked = "connect", 0.0

    # -- recording ---------------------------------------------------------------------------------------------------

    def begin(self, phase: str, asked: float, *, measured: bool) -> None:
        """Begin a phase; if it is measured, only messages that are due from now on count for it."""
        self.phase, self.asked = phase, asked
        self.step = Period() if measured else None

    def _periods(self, due: float) -> list[Period]:
        return [self.second, self.step] if self.step is not None and due >= self.step.began else [self.second]

    def sent(self, due: float) -> None:
        """Record a sent message that was due at `due`."""
        late = time.monotonic() - due
        for part in self._periods(due):
            part.sent += 1
            part.late.record(late)

    def acked(self, due: float) -> None:
        """Record the ack of a message that was due at `due`."""
        took = time.monotonic() - due
        for part in self._periods(due):
            part.acks += 1
            part.ack.record(took)

    def delivered(self, due: float) -> None:
        """Record a delivery of a message that was due at `due`."""
        took = time.monotonic() - due
        for part in self._periods(due):
            part.deliveries += 1
            part.delivery.record(took)

    def failed(self, code: str) -> None:
        """Record an error: a refusal, a lost connection, or a missing answer."""
        self.errors[code] += 1
        self.second.errors[code] += 1
        if self.step is not None:
            self.step.errors[code] += 1

    # -- reporting ---------------------------------------------------------------------------------------------------

    def tick(self) -> JsonObject:
        """End a second; return its row."""
        part, self.second = self.second, Period()
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


def is_busy(part: Period) -> bool:
    """Return whether the figures are distorted because the client used too much CPU, or got too little."""
    late = part.late.percentile(99)
    return part.client_cpu() > BUSY_SHARE or (late is not None and late > BUSY_LATE_MS)
