"""One load test: connecting, warm-up, one step or a ramp of steps, and the wait for outstanding messages.

The load is an open loop: each message has a scheduled time that does not depend on earlier messages, and its latency
counts from that time. If the server stalls, the delays of all messages due meanwhile are measured (no coordinated
omission).
"""

import asyncio
import gc
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from imapp.load.connections import Connections
from imapp.load.errors import LoadError
from imapp.load.histogram import Histogram
from imapp.load.json import JsonObject
from imapp.load.ledger import Counts, Ledger
from imapp.load.meter import Meter, Period, is_busy
from imapp.load.node_metrics import NodeMetrics
from imapp.load.options import Options
from imapp.load.plan import Plan
from imapp.load.users import User

#: Maximum number of messages sent before incoming data is read again.
_BURST = 100

#: Pauses of at least this many seconds can be interrupted by the operator.
_LONG = 0.1

#: Seconds between two checks whether all messages have arrived.
_CHECK_SECONDS = 0.05

Show = Callable[[JsonObject], None]


@dataclass
class Result:
    """The data for the reports."""

    options: Options
    meter: Meter
    counts: Counts
    events: dict[str, int]
    steps: list[JsonObject] = field(default_factory=list)
    histograms: list[tuple[Histogram, Histogram]] = field(default_factory=list)
    nodes: JsonObject = field(default_factory=dict)
    is_interrupted: bool = False
    #: The reason why the test could not run.
    trouble: str | None = None


class Runner:
    """A load test. `show` is called each second with the row of that second."""

    def __init__(self, options: Options, users: list[User], groups: dict[int, list[int]], show: Show) -> None:
        self._options = options
        self._show = show
        self._plan = Plan(users, groups, options.group_share, options.text_bytes)
        self._meter = Meter()
        self._ledger = Ledger(self._plan.run, self._meter)
        self._connections = Connections(options, users, self._ledger, self._meter)
        self._result = Result(options, self._meter, self._ledger.counts, self._ledger.events)

    async def run(self) -> Result:
        """Run the test; SIGINT and SIGTERM end it early, with a report."""
        stop = self._stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        node_metrics = NodeMetrics(self._options, self._meter.began)
        node_metrics.start()
        ticker = asyncio.create_task(self._tick())
        try:
            await self._connections.connect(stop)
            # The connections stay open: garbage collections need not visit them.
            gc.collect()
            gc.freeze()
            await self._all_steps()
        except LoadError as exc:
            self._result.trouble = str(exc)
        finally:
            ticker.cancel()
            with suppress(asyncio.CancelledError):
                await ticker
            await self._connections.leave()
            self._result.nodes = node_metrics.stop()
        self._result.is_interrupted = stop.is_set()
        return self._result

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self._show(self._meter.tick())

    async def _all_steps(self) -> None:
        options = self._options
        self._meter.begin("warm-up", options.rate, measured=False)
        await self._send(options.rate, options.warm_up)
        await self._settle()
        rate, number = options.rate, 1
        while not self._stop.is_set():
            step = await self._step(number, rate)
            if not options.ramp or step["verdict"] != "carried":
                break
            rate, number = rate * options.ramp_factor, number + 1

    async def _step(self, number: int, rate: float) -> JsonObject:
        self._meter.begin(f"step {number}", rate, measured=True)
        part = self._meter.step
        assert part is not None  # noqa: S101 - begin() made it
        await self._send(rate, self._options.seconds)
        seconds, cpu, busy = time.monotonic() - part.began, part.client_cpu(), is_busy(part)
        acks, deliveries = part.acks, part.deliveries
        self._meter.begin(f"patience after step {number}", 0, measured=False)
        self._meter.step = part  # messages due in the step count for it, even if they arrive later
        await self._settle()
        step = {
            "rate": round(rate, 1), "seconds": round(seconds, 2), "sent": part.sent, "acks": part.acks,
            "acks_per_second": round(acks / seconds, 1), "deliveries": part.deliveries,
            "deliveries_per_second": round(deliveries / seconds, 1), "errors": dict(part.errors),
            "ack": part.ack.summary(), "delivery": part.delivery.summary(), "late": part.late.summary(),
            "client_cpu": round(cpu, 3), "client_busy": busy,
        }  # fmt: skip
        step["verdict"] = self._verdict(part, busy)
        self._result.steps.append(step)
        self._result.histograms.append((part.ack, part.delivery))
        return step

    def _verdict(self, part: Period, is_client_busy: bool) -> str:
        """Return "carried" if the step is within the bounds, else the reason."""
        options = self._options
        if self._stop.is_set():
            return "interrupted"
        if sum(part.errors.values()) > options.error_bound * max(1, part.sent):
            return "errors"
        worst = max(part.ack.percentile(99) or 0.0, part.delivery.percentile(99) or 0.0)
        # A backlog needs no bound of its own: it shows in the latencies, which count from the schedule.
        if worst > options.p99_bound_ms:
            return "client busy" if is_client_busy else "p99"
        return "carried"

    async def _send(self, rate: float, seconds: float) -> None:
        """Send the messages that are due within `seconds`, and return at the end of that time."""
        began, total, done = time.monotonic(), round(rate * seconds), 0
        end = began + seconds
        while not self._stop.is_set() and (done < total or time.monotonic() < end):
            ready = min(total, int((time.monotonic() - began) * rate) + 1, done + _BURST)
            for number in range(done, ready):
                self._send_next(began + number / rate)
            done = max(done, ready)
            pause = (began + done / rate if done < total else end) - time.monotonic()
            if pause < _LONG:
                await asyncio.sleep(max(0.0, pause))
            else:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), pause)

    def _send_next(self, due: float) -> None:
        planned = self._plan.next(self._ledger.offline)
        if planned is None:
            self._meter.failed("nobody_online")
            return
        client = self._connections.clients[planned.sender]
        assert client is not None  # noqa: S101 - all users are connected
        self._ledger.sent(planned, due)
        client.send(planned.packet)

    async def _settle(self) -> None:
        """Wait for messages in flight, at most for `--patience` seconds, then give them up."""
        until = time.monotonic() + self._options.patience
        while not self._ledger.is_settled() and time.monotonic() < until:
            await asyncio.sleep(_CHECK_SECONDS)
        self._ledger.settle()
